import { createHash } from 'node:crypto';
import { createIdentifierHashes } from '#services/core/audit/audit-context.ts';
import { isAnotherPlace } from '#services/core/identity/sign-in/sign-in-origin.ts';
import type { CountryOf } from '#services/platform/geo/country-table.ts';
import { type Act, type Label, MINUTE } from './acts.ts';

/** A row of the audit outbox, as a request would have written it. */
export type RecordedEvent = {
  readonly eventId: string;
  readonly at: number;
  readonly type: string;
  readonly outcome: string;
  readonly actorKind: 'anonymous' | 'user' | 'client';
  readonly actorId: string | null;
  readonly targetKind: string | null;
  readonly targetId: string | null;
  readonly clientId: string | null;
  readonly ipHash: string;
  readonly agentHash: string;
  readonly detail: object;
  readonly label: Label;
};

const ELSEWHERE_MS = 10 * MINUTE;
const RECORDED_AS = {
  rotated: 'token.refreshed',
  kept: 'token.refreshed',
  grace: 'token.refreshed',
  lost_answer: 'token.refreshed',
  replay: 'token.refresh_reused',
} as const;

/**
 * What the product records of the acts, in their order. Which device is known, which session is elsewhere, the country and
 * the hashes are found as a sign-in finds them.
 */
export function recordActs(acts: readonly Act[], countryOf: CountryOf): RecordedEvent[] {
  const hashOf = createIdentifierHashes(() => ({ version: 1, key: Buffer.alloc(32, 9) }));
  const known = new Set<string>();
  const latest = new Map<string, { at: number; ip: string; agent: string; sessionId: string }[]>();
  const ids = new Map<string, number>();
  const idOf = (name: string): string => {
    const nth = (ids.get(name) ?? 0) + 1;
    ids.set(name, nth);
    const hex = createHash('sha256').update(`${name} ${nth}`).digest('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  };
  const signInDetail = (act: Extract<Act, { kind: 'sign_in' }>): object => {
    const device = `${act.userId} ${act.deviceId}`;
    if (act.forgetsDevice) known.delete(device);
    const isKnown = known.has(device);
    known.add(device);
    const recent = (latest.get(act.userId) ?? []).filter(({ at }) => act.at - at < ELSEWHERE_MS);
    const sessionId = idOf(`session ${act.userId}`);
    latest.set(act.userId, [...recent, { at: act.at, ip: act.ip, agent: act.agent, sessionId }]);
    const own = { ipAddress: act.ip, userAgent: act.agent };
    const other = isKnown ? undefined : recent.find((one) => isAnotherPlace(own, one, countryOf));
    const country = countryOf(act.ip);
    return {
      factor: act.factor ?? 'password',
      session_id: sessionId,
      known_device: isKnown,
      ...(other === undefined ? {} : { elsewhere: other.sessionId }),
      ...(country === null ? {} : { is_placed: true, country }),
    };
  };
  type Facts = Pick<RecordedEvent, 'type' | 'actorKind' | 'actorId' | 'targetKind' | 'targetId' | 'detail'> &
    Partial<Pick<RecordedEvent, 'outcome' | 'clientId'>>;
  const nobody = { actorKind: 'anonymous', actorId: null } as const;
  const user = (id: string) => ({ actorKind: 'user', actorId: id }) as const;
  const client = (id: string) => ({ actorKind: 'client', actorId: id, clientId: id }) as const;
  const on = (targetKind: string | null, targetId: string | null = null) => ({ targetKind, targetId });
  const factsOf = (act: Act): Facts => {
    switch (act.kind) {
      case 'sign_in':
        return { type: 'user.login', ...nobody, ...on('user', act.userId), detail: signInDetail(act) };
      case 'refresh': {
        const { outcome, clientId, userId } = act;
        const family = on('family', act.familyId);
        return {
          type: RECORDED_AS[outcome],
          outcome,
          ...user(userId),
          ...family,
          clientId,
          detail: { user_id: userId },
        };
      }
      case 'agent_token': {
        const [outcome, target, told] = act.isRefused
          ? ['refused', on(null), { reason: 'scope_invalid' }]
          : ['ok', on('token', idOf(`token ${act.agentId}`)), { scope: act.scope }];
        const detail = { grant: 'client_credentials', ...told };
        return { type: 'token.issued', outcome, ...client(act.agentId), ...target, detail };
      }
      case 'agent_denied': {
        const detail = { code: 'permission_missing', operation: act.operation };
        return { type: 'access.denied', outcome: 'refused', ...client(act.agentId), ...on(null), detail };
      }
      case 'role_granted':
        return { type: 'user.role_granted', ...user(act.by), ...on('user', act.userId), detail: { role: act.role } };
      case 'role_changed':
        return { type: 'role.changed', ...user(act.by), ...on('role', act.role), detail: { added: act.added } };
      case 'client_changed': {
        const detail = { columns: act.columns };
        return { type: 'client.changed', ...user(act.by), ...on('client', act.clientId), detail };
      }
      case 'api_key_created': {
        const detail = { permissions: act.permissions };
        return { type: 'api_key.created', ...user(act.by), ...on('api_key', idOf(`key ${act.by}`)), detail };
      }
      case 'sign_up':
        return { type: 'user.created', ...nobody, ...on('user', act.userId), detail: {} };
    }
  };
  return [...acts]
    .sort((one, other) => one.at - other.at)
    .map((act, n) => ({
      clientId: null,
      outcome: 'ok',
      ...factsOf(act),
      eventId: idOf(`event ${n}`),
      at: act.at,
      ipHash: hashOf('ip', act.ip) ?? '',
      agentHash: hashOf('agent', act.agent) ?? '',
      label: act.label,
    }));
}
