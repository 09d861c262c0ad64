/** The first minute: what this is, what it watches, how to add to it, who may reach it, and how to be told. */
import type { Session, Target, Targets } from "../api";
import { useFetched } from "../fetched";
import { Badge, PageLink } from "../parts/bits";
import { Failed, Loading } from "../parts/looks";
import { Snippet } from "../parts/snippet";
import { session } from "../session";
import { t } from "../text";
import type { Flags } from "./access";
import { byJob } from "./targets";

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
        {t("welcome.more")} <PageLink to="/explore">{t("nav.explore")}</PageLink> · <PageLink to="/dashboards">{t("nav.dashboards")}</PageLink> · <PageLink to="/targets">{t("nav.targets")}</PageLink> ·{" "}
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
function AccessState({ now }: { now: Session }) {
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
