import { defineCounter } from './instruments.ts';

const mailTemplates = [
  'sign_up',
  'verify_email',
  'reset_password',
  'change_email',
  'password_changed',
  'factors_reset',
  'email_changed',
  'account_deleted',
  'unlock_account',
  'invitation',
  'account_linked',
  'account_unlinked',
  'alert',
] as const;

export const mailsSent = defineCounter({
  name: 'sallyport_mails',
  help: 'Attempts to send a mail, by outcome. dropped: there was nothing to send. given_up: the mail is not retried any more.',
  labels: { template: mailTemplates, outcome: ['sent', 'dropped', 'retried', 'given_up'] },
});

/** Creates the series that an alert watches at zero, so that the first mail given up is a step. */
export function showMailsGivenUp(): undefined {
  for (const template of mailTemplates) mailsSent.at({ template, outcome: 'given_up' });
}
