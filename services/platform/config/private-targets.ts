import { defineSettings } from '../define/setting.ts';
import { flag } from './shapes.ts';

// Targets of alerts, and transmitters and streams of shared signals, are rows; these settings are about the network.
export const alertSettings = defineSettings({
  allowsPrivate: {
    env: 'ALERTS_PRIVATE',
    schema: flag(false),
    use: 'Send alerts to webhooks on private networks and over plain http too.',
  },
});

export const signalSettings = defineSettings({
  allowsPrivate: {
    env: 'SIGNALS_PRIVATE',
    schema: flag(false),
    use: 'Read keys of transmitters, and push shared signals, on private networks and over plain http too.',
  },
});
