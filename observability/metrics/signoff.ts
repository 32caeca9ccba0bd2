import { defineCounter } from './instruments.ts';

export const signOffEvents = defineCounter({
  name: 'sallyport_signoffs',
  help: 'Sign-offs by what happened: requested, one approval, an approval that was removed, denied, the act started, refused to start, ended or failed; and pings of clients.',
  labels: {
    event: [
      'requested',
      'approval',
      'approval_void',
      'denied',
      'started',
      'refused',
      'done',
      'failed',
      'ping_sent',
      'ping_retried',
      'ping_given_up',
    ],
  },
});
