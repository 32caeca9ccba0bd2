import { deliverMails } from '#services/domain/identity/mail/deliver-mail.ts';
import { deliverMailJob } from '../contracts/mail.ts';
import { run } from './run.ts';

export const mailProcessors = [
  run(deliverMailJob, (ports, _payload, { fence, signal }) => deliverMails(ports, { fence, signal })),
];
