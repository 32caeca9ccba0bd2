import type { Score } from '#load-tests/detections/replay.ts';
import { detections } from '#services/domain/security/detections.ts';
import { page, table } from './pages.ts';

/** What `npm run detections -- --keep` wrote. */
export type KeptReplay = Score & {
  readonly seed: number;
  readonly seconds: number;
  readonly actions: { readonly measured: number; readonly seconds_p50: number; readonly seconds_max: number };
};

const count = (value: number): string => value.toLocaleString('en');
const percent = (share: number | null): string => (share === null ? '' : `${Math.round(share * 1_000) / 10} %`);

/** `docs/reference/detections.md`: every detection, and what the replay measured. */
export function detectionsPage(kept: KeptReplay): string {
  const scoreOf = new Map(kept.detections.map((score) => [score.detection, score]));
  const rows = detections.map(({ name, severity, actions, meaning }) => [
    `\`${name}\``,
    severity,
    actions.map((action) => `\`${action}\``).join(' '),
    meaning,
  ]);
  const measured = [...scoreOf.values()].map((score) => [
    `\`${score.detection}\``,
    count(score.attacks),
    percent(score.recall),
    count(score.incidents),
    percent(score.precision),
  ]);
  const scenarios = kept.scenarios.map(({ scenario, attacks, detected }) => [
    scenario,
    count(attacks),
    count(detected),
  ]);
  const wrong = Object.entries(kept.false_by_group).sort(([, a], [, b]) => b - a);
  const body = [
    table(['detection', 'severity', 'actions', 'meaning'], rows),
    '',
    '## Measured',
    '',
    `Labelled traffic of a month, made by a seed (${kept.seed}): ${count(kept.sign_ins)} benign sign-ins of ${count(kept.users)} users among ${count(kept.events)} events, and attacks of ten kinds. A running product sealed and evaluated it. ${count(kept.false_alarms)} incidents were false, ${kept.false_alarm_percent} % of the benign sign-ins. From the answer to a sign-in until its session had ended took ${kept.actions.seconds_p50} s at the median and ${kept.actions.seconds_max} s at most of ${kept.actions.measured}.`,
    '',
    table(['detection', 'attacks', 'recall', 'incidents', 'precision'], measured),
    '',
    table(['attack', 'made', 'detected'], scenarios),
    '',
    '### False alarms',
    '',
    wrong.length === 0
      ? 'None.'
      : table(
          ['detection: traffic', 'incidents'],
          wrong.map(([group, n]) => [group, count(n)]),
        ),
    '',
    'Measure again with `npm run detections -- --keep`. The benign traffic was written before the detections were tuned, from how people work: offices behind one address, carriers, travellers with roaming phones, VPNs, shared computers, commuters across a border, lost cookies, addresses that no table has; agents at deployments, teams that begin, conferences and classes.',
  ].join('\n');
  return page(
    'Detections',
    'What Sallyport takes for an attack, and what it does at once. [How incidents are detected](../explanation/incidents.md) explains it.',
    body,
  );
}
