import { attested } from '../control.ts';

export const peopleControls = [
  attested({
    name: 'technology-inventory',
    title: 'An inventory and a network map exist',
    clause: '164.308(a)(1)(i)',
    profile: 'proposed',
    statement:
      'We have an inventory of technology assets and a map of the network that shows where health data moves, and updated both within the last year.',
    humanDuty: 'Keep inventory and map.',
  }),
  attested({
    name: 'risk-analysis',
    title: 'Risks to electronic health data are analysed',
    clause: '164.308(a)(1)(ii)(A)',
    statement:
      'We analysed the risks and vulnerabilities of every system that holds electronic health data, this installation included, within the last year.',
    humanDuty: 'Analyse risks, and repeat it when systems change.',
  }),
  attested({
    name: 'risk-management',
    title: 'Measures reduce the analysed risks',
    clause: '164.308(a)(1)(ii)(B)',
    statement:
      'We keep a plan of measures for the analysed risks, with owners and dates, and reviewed it within the last year.',
    humanDuty: 'Decide which risks are reduced, and how.',
  }),
  attested({
    name: 'sanction-policy',
    title: 'A sanction policy exists and is applied',
    clause: '164.308(a)(1)(ii)(C)',
    statement: 'We have a sanction policy, the workforce knows it, and we applied it where it was due.',
    humanDuty: 'Write and apply the policy.',
  }),
  attested({
    name: 'activity-review-signed',
    title: 'A person reviews records of activity',
    clause: '164.308(a)(1)(ii)(D)',
    statement: 'I read the report of activity and the open incidents of this period, and followed up what I found.',
    validDays: 31,
    humanDuty: 'Read the reports; detections do not replace it.',
  }),
  attested({
    name: 'restoration-time',
    title: 'Critical systems can be restored within 72 hours',
    clause: '164.308(a)(13)(ii)(B)',
    profile: 'proposed',
    statement: 'We have procedures to restore this installation within 72 hours, and met that time in a rehearsal.',
    humanDuty: 'Write and rehearse the procedures.',
  }),
  attested({
    name: 'security-official',
    title: 'A security official is named',
    clause: '164.308(a)(2)',
    statement: 'We named the person who is responsible for security policies and procedures.',
    humanDuty: 'Name the person.',
  }),
  attested({
    name: 'access-approved',
    title: 'A person approves who has which role',
    clause: '164.308(a)(4)(ii)(C)',
    statement: 'I reviewed the roles, their permissions and their holders, and approve them.',
    validDays: 92,
    humanDuty: 'Review the access list of the report.',
  }),
  attested({
    name: 'training',
    title: 'The workforce is trained',
    clause: '164.308(a)(5)(i)',
    statement: 'Every member of the workforce with access was trained within the last year.',
    humanDuty: 'Train people.',
  }),
  attested({
    name: 'incident-response-plan',
    title: 'An incident response plan exists',
    clause: '164.308(a)(6)(i)',
    statement: 'We have procedures for security incidents, and rehearsed them within the last year.',
    humanDuty: 'Write and rehearse the procedures.',
  }),
  attested({
    name: 'contingency-plan',
    title: 'A contingency plan exists',
    clause: '164.308(a)(7)(i)',
    statement: 'We have plans for backup, recovery and emergency operation that include this installation.',
    humanDuty: 'Write the plans.',
  }),
  attested({
    name: 'evaluation',
    title: 'Safeguards are evaluated',
    clause: '164.308(a)(8)',
    statement:
      'We evaluated technical and other safeguards within the last year, and after each change of our environment.',
    humanDuty: 'Evaluate, or have a third party evaluate.',
  }),
  attested({
    name: 'business-associates',
    title: 'Business associates have contracts',
    clause: '164.308(b)(1)',
    statement:
      'Every business associate that can reach data of this installation has a contract that meets 164.314(a).',
    humanDuty: 'Sign and keep the contracts.',
  }),
  attested({
    name: 'facility-safeguards',
    title: 'Facilities and devices are protected',
    clause: '164.310(a)(1)',
    statement:
      'Access to the buildings, machines and media that hold this installation is limited, and media are disposed of safely.',
    humanDuty: 'Protect buildings, machines and media.',
  }),
  attested({
    name: 'emergency-access',
    title: 'Emergency access is rehearsed',
    clause: '164.312(a)(2)(ii)',
    statement:
      'We have a procedure for access in an emergency, and rehearsed it while an identity provider or Redis was down.',
    humanDuty: 'Decide who may use it, and review each use.',
  }),
  attested({
    name: 'disk-encryption',
    title: 'Disks and backups are encrypted',
    clause: '164.312(a)(2)(iv)',
    statement: 'The disks of PostgreSQL and Redis, and every backup, are encrypted, with keys stored elsewhere.',
    humanDuty: 'Encrypt disks and backups, and keep the keys apart.',
  }),
  attested({
    name: 'vulnerability-scans',
    title: 'Vulnerability scans run every six months',
    clause: '164.312(h)(2)(i)',
    profile: 'proposed',
    statement:
      'We scanned the systems of this installation for vulnerabilities within the last six months, and patched critical ones within 15 days.',
    validDays: 183,
    humanDuty: 'Scan and patch.',
  }),
  attested({
    name: 'penetration-test',
    title: 'A penetration test ran within a year',
    clause: '164.312(h)(2)(iii)',
    profile: 'proposed',
    statement: 'A qualified person tested this installation for penetration within the last year.',
    humanDuty: 'Order the test, and fix what it finds.',
  }),
  attested({
    name: 'contingency-notice',
    title: 'Contingency plans are notified within 24 hours',
    clause: '164.314(a)(2)(i)(D)',
    profile: 'proposed',
    statement: 'Our contracts require notice within 24 hours of the activation of a contingency plan.',
    humanDuty: 'Agree on it in the contracts.',
  }),
  attested({
    name: 'policies-documented',
    title: 'Policies and procedures are written and kept',
    clause: '164.316(b)(1)',
    statement:
      'Policies and procedures are written, current, available to the people who follow them, and kept for six years.',
    humanDuty: 'Write, review and keep them.',
  }),
  attested({
    name: 'breach-notification',
    title: 'Breach notices can be given and proved',
    clause: '164.414(b)',
    statement:
      'We have a procedure to assess a breach by the four factors and to notify within 60 days, and keep the evidence of each assessment.',
    humanDuty: 'Assess, notify and keep the evidence.',
  }),
] as const;
