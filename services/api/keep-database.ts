import { ensureNeededKeys } from '../core/access/ensure-needed-keys.ts';
import { retireKeys } from '../core/keys/retire-keys.ts';
import { collapseRevocations } from '../core/revocations/collapse-revocations.ts';
import { keepRevocations } from '../core/revocations/revocation-lifetime.ts';
import { systemCaller } from '../platform/define/system-caller.ts';
import type { Keeper } from './compose-views.ts';

const STARTING = systemCaller('start');

/** An API process makes keys, retires them, and sets how long revocations stay. */
export const keepDatabase: Keeper = {
  prepare: async ({ config, log, authSecret }, { outside, tokenSettings: { audience }, previousVault }) => {
    await keepRevocations(outside, config.tokens);
    const keySettings = { keys: config.keys, tokens: config.tokens, authSecret, audience, previousVault };
    const { warnings } = await ensureNeededKeys(outside, keySettings, STARTING);
    for (const warning of warnings) log.warn({ warning }, 'key ring');
    await retireKeys(outside, STARTING);
  },
  relieve: collapseRevocations,
};
