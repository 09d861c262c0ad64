/** What stands above every page. */
import { useEffect, useRef } from "preact/hooks";
import { refreshPressed } from "../page-state";
import { PageLink } from "../parts/bits";
import { follow, go, linkTo, prefix, route } from "../router";
import { otherLanguage, switchLanguage, t } from "../text";
import { theme, toggleTheme } from "../theme";
import { ReadOnlySign } from "./access";

const pages = [
  ["home", "/", "nav.home", "h"],
  ["dashboards", "/dashboards", "nav.dashboards", "d"],
  ["explore", "/explore", "nav.explore", "e"],
  ["targets", "/targets", "nav.targets", "t"],
  ["alerts", "/alerts", "nav.alerts", "a"],
  ["plugins", "/plugins", "nav.plugins", "p"],
  ["queries", "/queries", "nav.queries", "q"],
] as const;

export function Header() {
  const here = route.value.page;
  const help = useRef<HTMLDialogElement>(null);
  useEffect(() => keys(() => help.current?.showModal()), []);
  const other = theme.value === "dark" ? t("theme.light") : t("theme.dark");
  return (
    <header class="top">
      <a class="skip" href="#content">
        {t("nav.skip")}
      </a>
      <span class="brand">
        <svg viewBox="0 0 32 32" width="20" height="20" aria-hidden="true">
          <circle cx="16" cy="16" r="12" fill="none" stroke="currentColor" stroke-width="3" />
          <path d="M4 17h7l3-8 5 14 3-6h6" fill="none" stroke="currentColor" stroke-width="3" stroke-linejoin="round" />
        </svg>
        Skopos
      </span>
      <nav aria-label={t("nav.label")}>
        {pages.map(([page, path, key]) => (
          <PageLink key={page} to={path} current={here === page || (page === "dashboards" && here === "dashboard")}>
            {t(key)}
          </PageLink>
        ))}
      </nav>
      <ReadOnlySign />
      <button type="button" class="icon" title={t("help.open")} aria-label={t("help.open")} onClick={() => help.current?.showModal()}>
        ?
      </button>
      <button
        type="button"
        class="language"
        data-language-switch
        lang={otherLanguage.value}
        title={t("language.switch")}
        onClick={() => switchLanguage(otherLanguage.value)}
      >
        {t("language.name")}
      </button>
      <button type="button" class="icon" data-theme-toggle title={other} aria-label={other} onClick={toggleTheme}>
        {theme.value === "dark" ? "☀" : "☾"}
      </button>
      <dialog ref={help} aria-label={t("help.title")}>
        <h2>{t("help.title")}</h2>
        <dl class="keys">
          {pages.map(([page, , key, letter]) => (
            <>
              <dt key={`${page}-keys`}>
                <kbd>g</kbd> <kbd>{letter}</kbd>
              </dt>
              <dd key={page}>{t(key)}</dd>
            </>
          ))}
          <dt>
            <kbd>/</kbd>
          </dt>
          <dd>{t("help.search")}</dd>
          <dt>
            <kbd>r</kbd>
          </dt>
          <dd>{t("refresh.now")}</dd>
          <dt>
            <kbd>←</kbd> <kbd>→</kbd>
          </dt>
          <dd>{t("help.chart")}</dd>
          <dt>
            <kbd>?</kbd>
          </dt>
          <dd>{t("help.open")}</dd>
        </dl>
        <p>
          <a
            href={linkTo("/welcome")}
            onClick={(event) => {
              help.current?.close();
              follow(event);
            }}
          >
            {t("nav.welcome")}
          </a>
        </p>
        <p>
          <a href={`${prefix}/licenses.txt`} target="_blank" rel="noopener">
            {t("help.licences")}
          </a>
        </p>
        <form method="dialog">
          <button type="submit">{t("help.close")}</button>
        </form>
      </dialog>
    </header>
  );
}

/** The Latin letter of a key, also while the keyboard writes Hangul. */
function letterOf(event: KeyboardEvent): string {
  const latin = /^[\x20-\x7e]$/.test(event.key);
  return latin || !/^Key[A-Z]$/.test(event.code) ? event.key : event.code.slice(3).toLowerCase();
}

/** Keys of the whole page, except where somebody writes. Answers how to stop listening. */
function keys(showHelp: () => void): () => void {
  let afterG = 0;
  const pressed = (event: KeyboardEvent): void => {
    const on = event.target as HTMLElement;
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (on.closest("input, textarea, select, dialog, [contenteditable]") !== null) return;
    const key = letterOf(event);
    const page = event.timeStamp - afterG < 1000 ? pages.find(([, , , letter]) => letter === key) : undefined;
    afterG = key === "g" ? event.timeStamp : -Infinity;
    if (page !== undefined) go(linkTo(page[1]));
    else if (key === "/") document.querySelector<HTMLInputElement>("[data-search]")?.focus();
    else if (key === "?") showHelp();
    else if (key === "r") refreshPressed();
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}
