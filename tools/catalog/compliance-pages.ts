import { type Control, isMachine, type MachineControl } from '#services/wings/compliance/control.ts';
import { page, table } from './pages.ts';

const NO_CLAIM =
  'None of this states that an installation meets the law: that also depends on people, contracts and buildings.';

const paceOf = ({ pace, isProbe }: MachineControl): string => {
  if (pace === 'thorough') return 'every hour';
  return `within 20 s of an event, and every ${isProbe ? 'hour; within a minute of another change it depends on' : 'minute'}`;
};
const clauseOf = ({ clause, profile }: Control): string => (profile === 'proposed' ? `${clause} (proposed)` : clause);

/** Every control with its probe, in the order of the clauses. */
export const controlsPage = (controls: readonly Control[]): string =>
  page(
    'Compliance controls',
    `Each control is bound to a clause of 45 CFR 164. A check of the running system decides a control of the kind machine; only a person can confirm one of the kind attestation. [How to read them](../how-to/read-compliance-controls.md). ${NO_CLAIM}`,
    [
      `## Decided by a check\n\n${table(
        ['clause', 'control', 'asks for', '', 'population', 'probe', 'evidence', 'runs'],
        controls
          .filter(isMachine)
          .map((control) => [
            clauseOf(control),
            `\`${control.name}\``,
            control.title,
            control.requirement,
            control.population,
            control.probe,
            control.evidence,
            paceOf(control),
          ]),
      )}`,
      `## Confirmed by a person\n\n${table(
        ['clause', 'control', 'asks for', '', 'the attester states', 'accepted for'],
        controls.flatMap((control) =>
          isMachine(control)
            ? []
            : [
                [
                  clauseOf(control),
                  `\`${control.name}\``,
                  control.title,
                  control.requirement,
                  control.statement,
                  `${control.validDays} days`,
                ],
              ],
        ),
      )}`,
    ].join('\n\n'),
  );

/** Who does what: the product, and the organisation that runs it. */
export const responsibilitiesPage = (controls: readonly Control[]): string =>
  page(
    'Customer responsibility matrix',
    `For each clause: what Sallyport checks, and what remains the duty of the organisation that runs it. ${NO_CLAIM}`,
    table(
      ['clause', 'control', 'Sallyport', 'you'],
      controls.map((control) => [
        clauseOf(control),
        `\`${control.name}\``,
        isMachine(control) ? control.title : 'keeps your attestation and its expiry',
        control.humanDuty,
      ]),
    ),
  );

/** What can go wrong, and which controls show that it did not. */
export function threatsPage(controls: readonly Control[]): string {
  const byThreat = new Map<string, string[]>();
  for (const control of controls.filter(isMachine))
    byThreat.set(control.threat, [
      ...(byThreat.get(control.threat) ?? []),
      `\`${control.name}\`: ${control.title} (${clauseOf(control)})`,
    ]);
  return page(
    'Threats and safeguards',
    `Each threat names the safeguards that answer it; a check shows for each safeguard whether it is in effect. ${NO_CLAIM}`,
    table(
      ['threat', 'safeguards'],
      [...byThreat]
        .sort(([one], [other]) => one.localeCompare(other))
        .map(([threat, safeguards]) => [threat, safeguards.join('; ')]),
    ),
  );
}
