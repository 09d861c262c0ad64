/** Senders of remote write whose samples are refused because their clock is wrong. */
import type { Senders as SendersData } from "../api";
import { useFetched } from "../fetched";
import { locale, t } from "../text";

/** How long after its last wrong sample a sender is told of, in seconds. */
const toldFor = 3600;

/** Those whose clock was ahead lately, each as a sentence. */
export function aheadTexts({ senders }: SendersData, now: number): string[] {
  return senders.flatMap(({ name, ahead, rejected }) =>
    ahead === null || now - ahead.at > toldFor
      ? []
      : [
          t("senders.ahead", {
            sender: name,
            address: ahead.address,
            series: `{job="${ahead.job}", instance="${ahead.instance}"}`,
            seconds: Math.round(ahead.seconds).toLocaleString(locale.value),
            n: rejected.too_new.toLocaleString(locale.value),
          }),
        ],
  );
}

export function SendersAhead() {
  const { data } = useFetched<SendersData>("/api/v1/senders");
  if (data === undefined) return null;
  return (
    <>
      {aheadTexts(data, Date.now() / 1000).map((text) => (
        <p class="stale-line said" role="status" key={text}>
          <span aria-hidden="true">⚠</span> {text}
        </p>
      ))}
    </>
  );
}
