import { defineAttestation } from '../control.ts';

export const activityReviewSigned = defineAttestation({
  name: 'activity-review-signed',
  title: 'A person reviews records of activity',
  clause: '164.308(a)(1)(ii)(D)',
  profile: 'current',
  requirement: 'required',
  statement: 'I read the report of activity and the open incidents of this period, and followed up what I found.',
  validDays: 31,
  humanDuty: 'Read the reports; detections do not replace it.',
});
