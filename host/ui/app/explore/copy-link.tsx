/** Copies the address of the page, which holds all that it shows. */
import { useEffect, useState } from "preact/hooks";
import { t } from "../text";

/** Without TLS browsers keep the clipboard from pages of other machines; a selection that is copied still works there. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.readOnly = true;
    field.className = "copy-field";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

export function CopyLink() {
  const [said, setSaid] = useState<"" | "copied" | "failed">("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => setSaid(""), 2500);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <>
      <button type="button" class="copy-link" title={t("explore.link.hint")} onClick={async () => setSaid((await copy(location.href)) ? "copied" : "failed")}>
        {said === "copied" ? t("explore.link.copied") : said === "failed" ? t("explore.link.failed") : t("explore.link")}
      </button>
      <span class="for-readers" role="status">
        {said === "copied" ? t("explore.link.copied") : ""}
      </span>
    </>
  );
}
