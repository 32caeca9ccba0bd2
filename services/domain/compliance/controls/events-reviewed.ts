import { defineMachineControl, type Observation } from '../control.ts';
import { readDetection } from '../probes/trail.store.ts';

const WAIT_MAX_SECONDS = 300;

export const eventsReviewed = defineMachineControl({
  name: 'events-reviewed',
  title: 'Detections evaluate every audit event within five minutes',
  clause: '164.308(a)(1)(ii)(D)',
  profile: 'current',
  requirement: 'required',
  population: 'sealed events',
  probe: 'Reads how long the next event has waited for the detections, and events whose evaluation failed for good',
  probeVersion: 1,
  evidence: 'Numbers of the newest and of the last evaluated event, waiting time, events set aside',
  pace: 'frequent',
  threat: 'An attack stays undetected',
  humanDuty: 'Review reports of activity, and sign that they were reviewed.',
  check: async ({ sql }): Promise<Observation> => {
    const { seq, newest, waitingSeconds, setAside } = await readDetection(sql);
    const isLate = waitingSeconds > WAIT_MAX_SECONDS;
    return {
      population: newest === null ? 0 : newest + 1,
      exceptions: [
        ...(isLate ? [{ resource: `event ${seq + 1}`, why: 'detections are more than five minutes behind' }] : []),
        ...(setAside > 0 ? [{ resource: 'events set aside', why: 'events were set aside without evaluation' }] : []),
      ],
      observed: {
        evaluated_seq: seq,
        newest_seq: newest,
        waiting_seconds: Math.round(waitingSeconds),
        set_aside: setAside,
      },
    };
  },
});
