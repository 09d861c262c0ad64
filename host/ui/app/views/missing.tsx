/** For addresses that mean no page. */
import { PageLink } from "../parts/bits";
import { t } from "../text";

export function Missing({ path }: { path: string }) {
  return (
    <div class="look">
      <h1>{t("missing.title")}</h1>
      <p>{t("missing.text", { path })}</p>
      <p>
        <PageLink to="/">{t("missing.home")}</PageLink>
      </p>
    </div>
  );
}
