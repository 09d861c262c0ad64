/** The list of dashboards. */
import type { DashboardName } from "../api";
import { useFetched } from "../fetched";
import { Counts, PageLink, Search } from "../parts/bits";
import { Empty, Failed, Loading, Stale } from "../parts/looks";
import { query, setQuery } from "../router";
import { language, t } from "../text";

export function Dashboards() {
  const { data, error, at } = useFetched<DashboardName[]>("/api/v1/dashboards");
  const wanted = query.value.get("q") ?? "";
  const titleOf = ({ title, titles }: DashboardName): string => titles?.[language.value] ?? title;
  const found = (data ?? []).filter(({ title, titles, uid, tags }) =>
    [title, ...Object.values(titles ?? {}), uid, ...(tags ?? [])].some((text) => text.toLowerCase().includes(wanted.toLowerCase())),
  );
  return (
    <>
      <div class="toolbar">
        <h1>{t("nav.dashboards")}</h1>
        <Search value={wanted} label={t("dashboards.search")} onInput={(text) => setQuery({ q: text || null }, true)} />
        {data !== undefined && <Counts shown={found.length} all={data.length} />}
      </div>
      {error !== undefined && data !== undefined && <Stale error={error} at={at} />}
      {data === undefined ? (
        error === undefined ? (
          <Loading />
        ) : (
          <Failed error={error} />
        )
      ) : data.length === 0 ? (
        <Empty>
          <strong>{t("dashboards.none")}</strong>
          <p>{t("dashboards.none.next")}</p>
        </Empty>
      ) : found.length === 0 ? (
        <Empty>{t("search.none")}</Empty>
      ) : (
        <ul class="list">
          {found.map(({ uid, title, titles, tags }) => (
            <li key={uid}>
              <PageLink to={uid === "home" ? "/" : `/d/${encodeURIComponent(uid)}`}>{titleOf({ uid, title, ...(titles && { titles }) })}</PageLink>
              <span class="muted">{uid}</span>
              <span class="labels">
                {(tags ?? []).map((tag) => (
                  <span class="label" key={tag}>
                    <span class="label-value">{tag}</span>
                  </span>
                ))}
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
