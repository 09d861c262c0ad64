/** The first minute: what this is, what it watches, how to add to it, who may reach it, and how to be told. */
import { signal } from "@preact/signals";
import type { Session, Target, Targets } from "../api";
import { useFetched } from "../fetched";
import { Badge, PageLink } from "../parts/bits";
import { Failed, Loading } from "../parts/looks";
import { Snippet } from "../parts/snippet";
import { prefix } from "../router";
import { session } from "../session";
import { t } from "../text";
import { byJob } from "./targets";

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

type Flags = Record<string, string>;

/** The whole file where there is none yet, else what is added to it. */
function targetYaml(whole: boolean): string {
  const job = ["scrape_configs:", "  - job_name: my-service", "    static_configs:", '      - targets: ["10.0.0.5:9100", "10.0.0.6:9100"]'];
  return (whole ? ["global:", "  scrape_interval: 15s", "", ...job] : job).join("\n");
}

const usersYaml = ["basic_auth_users:", "  admin: $2y$12$…"].join("\n");
const receiverYaml = [
  "alertmanager:",
  "  route:",
  "    receiver: team",
  "  receivers:",
  "    - name: team",
  "      webhook_configs:",
  "        - url: https://example.com/hook",
].join("\n");

export function Welcome() {
  const flags = useFetched<Flags>("/api/v1/status/flags");
  const file = flags.data?.["config.file"] ?? "";
  return (
    <div class="welcome">
      <h1>{t("welcome.title")}</h1>
      <p class="lead">{t("welcome.what")}</p>
      <ol>
        <li class="card">
          <h2>{t("welcome.watched")}</h2>
          <Watched />
        </li>
        <li class="card">
          <h2>{t("welcome.add")}</h2>
          <p>{file === "" ? t("welcome.add.new") : t("welcome.add.file", { file })}</p>
          <Snippet label={t("welcome.add")} text={targetYaml(file === "")} />
          {file === "" && <Snippet label={t("welcome.command")} text="skopos --config.file=skopos.yml" />}
          <p class="muted">{t("welcome.add.next")}</p>
        </li>
        <li class="card">
          <h2>{t("welcome.access")}</h2>
          {session.value !== undefined && <AccessState now={session.value} />}
          {session.value?.users !== true && (
            <>
              <p>{t("welcome.users")}</p>
              <Snippet label={t("welcome.command")} text="htpasswd -nBC 12 admin" />
              <Snippet label={t("welcome.users")} text={usersYaml} />
              <Snippet label={t("welcome.command")} text="skopos --web.config.file=web.yml --web.listen-address=0.0.0.0:9090" />
              <p class="muted">{t("welcome.users.tls")}</p>
            </>
          )}
        </li>
        <li class="card">
          <h2>{t("welcome.told")}</h2>
          <p>{t("welcome.told.how")}</p>
          <Snippet label={t("welcome.told")} text={receiverYaml} />
          <p>
            <PageLink to="/alerts">{t("welcome.told.test")}</PageLink>
          </p>
        </li>
      </ol>
      <p class="muted">
        {t("welcome.more")} <PageLink to="/dashboards">{t("nav.dashboards")}</PageLink> · <PageLink to="/targets">{t("nav.targets")}</PageLink> ·{" "}
        <PageLink to="/alerts">{t("nav.alerts")}</PageLink> · <PageLink to="/plugins">{t("nav.plugins")}</PageLink>
      </p>
    </div>
  );
}

/** Jobs with what answers, each a link to its targets. */
function Watched() {
  const { data, error } = useFetched<Targets>("/api/v1/targets?state=active");
  if (data === undefined) return error === undefined ? <Loading /> : <Failed error={error} />;
  const jobs = byJob(data.activeTargets);
  if (jobs.length === 0) return <p>{t("targets.none")}</p>;
  return (
    <ul class="jobs">
      {jobs.slice(0, mostJobs).map(({ name, up, targets }) => (
        <li key={name}>
          <PageLink to="/targets" with={{ job: name }}>
            {name}
          </PageLink>{" "}
          <Badge tone={up === targets.length ? "good" : waiting(targets) ? "calm" : "bad"}>{t("targets.of", { up, n: targets.length })}</Badge>
        </li>
      ))}
      {jobs.length > mostJobs && (
        <li>
          <PageLink to="/targets">{t("deliveries.all", { n: jobs.length })}</PageLink>
        </li>
      )}
    </ul>
  );
}

const mostJobs = 12;
const waiting = (targets: readonly Target[]): boolean => targets.every(({ health }) => health !== "down");

/** Who may reach this server and what they may do, in a sentence or two. */
export function AccessState({ now }: { now: Session }) {
  return (
    <ul class="plain">
      <li>
        <Badge tone={now.read_only ? "warn" : "good"}>{t(now.read_only ? "access.read-only" : "access.writable")}</Badge>{" "}
        {now.read_only
          ? t("access.read-only.why")
          : now.users
            ? now.user === null
              ? t("access.users")
              : t("access.user", { user: now.user })
            : t(now.loopback ? "access.loopback" : "access.open")}
      </li>
      {!now.loopback && (
        <li>
          <Badge tone={now.tls ? "good" : "warn"}>{t(now.tls ? "access.tls" : "access.plain")}</Badge>{" "}
          {t(now.tls ? "access.tls.why" : "access.plain.why")}
        </li>
      )}
    </ul>
  );
}

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
    <a class="read-only" href={`${prefix}/welcome`} title={t("access.read-only.why")} aria-label={t("access.read-only")}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d="M4 7V5a4 4 0 0 1 8 0v2M3 7h10v7H3z" fill="none" stroke="currentColor" stroke-width="1.6" />
      </svg>
      <span>{t("access.read-only")}</span>
    </a>
  );
}
