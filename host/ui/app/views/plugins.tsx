/** What extends Skopos: kinds, grants, refusals with the line that would grant them, errors, use. */
import type { Plugin } from "../api";
import { quantity, whole } from "../chart/format";
import { surroundings } from "../chart/surroundings";
import { useFetched } from "../fetched";
import { Badge } from "../parts/bits";
import { Empty } from "../parts/looks";
import { has, t } from "../text";
import { FetchedPage } from "./fetched-page";

export function Plugins() {
  const fetched = useFetched<{ plugins: Plugin[] }>("/api/v1/plugins");
  return (
    <FetchedPage title={t("nav.plugins")} fetched={fetched}>
      {({ plugins }) =>
        plugins.length === 0 ? (
          <Empty>{t("plugins.none")}</Empty>
        ) : (
          <div class="plugins">
            {plugins.map((plugin) => (
              <PluginCard key={`${plugin.origin} ${plugin.name}`} plugin={plugin} />
            ))}
          </div>
        )
      }
    </FetchedPage>
  );
}

/** A kind that is not known keeps its id. */
function kindName(id: string): string {
  const key = `kind.${id}`;
  return has(key) ? t(key) : id;
}

function PluginCard({ plugin }: { plugin: Plugin }) {
  const at = surroundings();
  const failures = plugin.failures ?? 0;
  const refused = plugin.refused ?? [];
  // What comes along has its summary in the language of the page; others speak for themselves.
  const key = `summary.${plugin.name}`;
  const summary = plugin.origin === "embedded" && has(key) ? t(key) : plugin.summary;
  const tone = plugin.error !== "" ? "bad" : failures > 0 || refused.length > 0 ? "warn" : "good";
  const state =
    plugin.error !== ""
      ? t("plugins.broken")
      : failures > 0
        ? t("plugins.failing")
        : refused.length > 0
          ? t("plugins.refused")
          : t("plugins.loaded");
  return (
    <section class="card plugin" aria-label={plugin.name}>
      <h2>
        {plugin.name}
        {plugin.version ? <span class="muted"> {plugin.version}</span> : null}
        <span class="spring" />
        <Badge tone={tone}>{state}</Badge>
      </h2>
      <p class="muted">{[...plugin.kinds.map(kindName), plugin.origin === "embedded" ? t("plugins.embedded") : t("plugins.file")].join(" · ")}</p>
      {summary ? <p>{summary}</p> : null}
      {plugin.error !== "" && <p class="said">{t("plugins.error", { error: plugin.error })}</p>}
      <dl class="facts">
        <dt>{t("plugins.calls")}</dt>
        <dd>
          {t("plugins.calls.value", { n: plugin.calls ?? 0, failures })}
          {(plugin.calls ?? 0) > 0 && ` · ${t("plugins.mean", { time: whole(quantity(plugin.mean_call_us ?? 0, "µs", null, at)) })}`}
        </dd>
        <dt>{t("plugins.grants")}</dt>
        <dd>
          {(plugin.grants ?? []).length === 0 ? (
            <span class="muted">{t("plugins.no-grants")}</span>
          ) : (
            <ul class="plain">
              {plugin.grants?.map((grant) => (
                <li key={grant}>
                  <code>{grant}</code>
                </li>
              ))}
            </ul>
          )}
        </dd>
        {refused.length > 0 && (
          <>
            <dt>{t("plugins.refusals")}</dt>
            <dd>
              <ul class="plain">
                {refused.map(({ what, count, line_to_add }) => (
                  <li key={what}>
                    {t("plugins.refusal", { what, n: count })}
                    <pre class="line-to-add">{line_to_add}</pre>
                  </li>
                ))}
              </ul>
            </dd>
          </>
        )}
        {plugin.last_error ? (
          <>
            <dt>{t("plugins.last-error")}</dt>
            <dd class="said">{plugin.last_error}</dd>
          </>
        ) : null}
      </dl>
    </section>
  );
}
