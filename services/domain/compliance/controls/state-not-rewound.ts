import { defineMachineControl, type Observation } from '../control.ts';
import { readFeed } from '../probes/custody.store.ts';

export const stateNotRewound = defineMachineControl({
  name: 'state-not-rewound',
  title: 'The database is no older than the newest state known outside it',
  clause: '164.308(a)(7)(ii)(B)',
  profile: 'current',
  requirement: 'required',
  population: 'the database',
  probe: 'Compares the state of the database with its high-water marks, which are stored outside it',
  probeVersion: 1,
  evidence: 'Revocation epoch and beat of the database and of the marks',
  pace: 'frequent',
  threat: 'A restored backup revives revoked tokens',
  humanDuty: 'Store the marks where the operators of the database cannot write (MARK_STORE).',
  check: async ({ sql, marks }): Promise<Observation> => {
    // The marks first: the database only advances meanwhile.
    const outside = await marks.read();
    const inside = await readFeed(sql);
    const isReplaced = outside !== null && inside.replaced.includes(outside.incarnation);
    const isOther = outside !== null && outside.incarnation !== inside.incarnation && !isReplaced;
    const isBehind =
      outside !== null &&
      outside.incarnation === inside.incarnation &&
      (inside.revocationEpoch < outside.revocationEpoch || inside.beat < outside.beat);
    return {
      population: outside === null ? 0 : 1,
      exceptions: [
        ...(isBehind ? [{ resource: 'database', why: 'the database is older than its high-water marks' }] : []),
        ...(isOther ? [{ resource: 'database', why: 'the high-water marks are of another database' }] : []),
      ],
      observed: {
        revocation_epoch: inside.revocationEpoch,
        marked_epoch: outside?.revocationEpoch ?? null,
        beat: inside.beat,
        marked_beat: outside?.beat ?? null,
      },
    };
  },
});
