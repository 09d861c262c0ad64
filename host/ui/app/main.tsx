/** Where the pages begin. `router.ts` says which page, `page-state.ts` what time, `views/` what is on it. */
import { Fragment, render } from "preact";
import { useEffect } from "preact/hooks";
import { startClock } from "./page-state";
import { fetchLater, Later, type Loaded } from "./parts/later";
import { route } from "./router";
import { startSession } from "./session";
import { type Key, language, startLanguage, t } from "./text";
import { applyTheme } from "./theme";
import { Dashboard } from "./views/dashboard";
import { Dashboards } from "./views/dashboards";
import { Header } from "./views/header";
import { Missing } from "./views/missing";

/** Pages besides the first. */
const later = {
  targets: { load: async () => (await import("./views/targets")).Targets },
  alerts: { load: async () => (await import("./views/alerts")).Alerts },
  plugins: { load: async () => (await import("./views/plugins")).Plugins },
  queries: { load: async () => (await import("./views/queries")).Queries },
  tsdbStatus: { load: async () => (await import("./views/tsdb-status")).TsdbStatusPage },
  welcome: { load: async () => (await import("./views/welcome")).Welcome },
} satisfies Record<string, Loaded>;
/** Larger than all others together: fetched by those alone who go there. */
const explore: Loaded = { load: async () => (await import("./explore/explore")).Explore };
/** When the others are fetched, so that going there is as quick as staying. */
const idleMs = 3000;

/** The dashboard that the first page shows. */
const home = "home";

function Page() {
  const here = route.value;
  useEffect(() => {
    // A dashboard writes its own title once it is known.
    if (here.page !== "dashboard" && here.page !== "home") document.title = `${t(`nav.${here.page}` as Key)} · Skopos`;
  }, [here.page]);
  switch (here.page) {
    case "home":
      return <Dashboard key={home} uid={home} home />;
    case "dashboard":
      return <Dashboard key={here.uid} uid={here.uid} home={false} />;
    case "dashboards":
      return <Dashboards />;
    case "explore":
      return <Later key="explore" page={explore} />;
    case "targets":
      return <Later key="targets" page={later.targets} />;
    case "alerts":
      return <Later key="alerts" page={later.alerts} />;
    case "plugins":
      return <Later key="plugins" page={later.plugins} />;
    case "queries":
      return <Later key="queries" page={later.queries} />;
    case "tsdb-status":
      return <Later key="tsdb-status" page={later.tsdbStatus} />;
    case "welcome":
      return <Later key="welcome" page={later.welcome} />;
    case "missing":
      return <Missing path={here.path} />;
  }
}

function App() {
  return (
    // Another language draws everything anew: what a part has kept is in the old one.
    <Fragment key={language.value}>
      <Header />
      <main id="content" tabIndex={-1}>
        <Page />
      </main>
    </Fragment>
  );
}

applyTheme();
startClock();
startSession();
const root = document.getElementById("page");
if (root === null) throw new Error("index.html has no element #page");
await startLanguage();
render(<App />, root);
setTimeout(() => {
  // One that fails is asked for again by who goes there.
  for (const page of Object.values(later)) fetchLater(page).catch(() => undefined);
}, idleMs);
