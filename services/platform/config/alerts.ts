import { defineSettings } from '../define/setting.ts';
import { flag } from './shapes.ts';

/** Targets of alerts are rows; these settings are about the network. */
export const alertSettings = defineSettings({
  allowsPrivate: {
    env: 'ALERTS_PRIVATE',
    schema: flag(false),
    use: 'Send alerts to webhooks on private networks and over plain http too.',
  },
});
