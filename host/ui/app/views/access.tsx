/** What every page says about access: that nothing may be changed, and where a newcomer begins. */
import { signal } from "@preact/signals";
import { useFetched } from "../fetched";
import { PageLink } from "../parts/bits";
import { follow, linkTo } from "../router";
import { session } from "../session";
import { t } from "../text";

const key = "skopos.welcome";

function seen(): boolean {
  try {
    return localStorage.getItem(key) === "seen";
  } catch {
    return false;
  }
}
const dismissed = signal(seen());

function dismiss(): void {
  dismissed.value = true;
  try {
    localStorage.setItem(key, "seen");
  } catch {
    // It comes again with the next visit.
  }
}

/** `GET /api/v1/status/flags`. */
export type Flags = Record<string, string>;

/** On the home page as long as nobody has set anything up, until somebody puts it away. */
export function WelcomeCard() {
  const flags = useFetched<Flags>("/api/v1/status/flags", { enabled: !dismissed.value });
  const now = session.value;
  if (dismissed.value || flags.data === undefined || now === undefined) return null;
  const fresh = (flags.data["config.file"] ?? "") === "" || (!now.users && !now.loopback);
  if (!fresh) return null;
  return (
    <section class="card welcome-card" aria-label={t("welcome.title")}>
      <div>
        <h2>{t("welcome.card")}</h2>
        <p>{now.read_only ? t("access.read-only.why") : t("welcome.card.text")}</p>
      </div>
      <PageLink to="/welcome" button>
        {t("welcome.title")}
      </PageLink>
      <button type="button" onClick={dismiss}>
        {t("welcome.dismiss")}
      </button>
    </section>
  );
}

/** Above what would change something, if nothing may be changed. */
export function ReadOnlyNote() {
  if (session.value?.read_only !== true) return null;
  return (
    <p class="stale-line" role="note">
      <span aria-hidden="true">⚠</span> {t("access.read-only.why")} <PageLink to="/welcome">{t("access.how")}</PageLink>
    </p>
  );
}

/** In the header of every page: a lock, with its meaning beside it where there is room. */
export function ReadOnlySign() {
  if (session.value?.read_only !== true) return null;
  return (
    <a class="read-only" href={linkTo("/welcome")} onClick={follow} title={t("access.read-only.why")} aria-label={t("access.read-only")}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d="M4 7V5a4 4 0 0 1 8 0v2M3 7h10v7H3z" fill="none" stroke="currentColor" stroke-width="1.6" />
      </svg>
      <span>{t("access.read-only")}</span>
    </a>
  );
}
