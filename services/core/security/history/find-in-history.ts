import { applicationsManage, clientsManage, rolesManage } from '#services/core/access/permissions.ts';
import { apiKeysManage } from '#services/core/api-keys/permissions.ts';
import { usersManage } from '#services/core/identity/permissions.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import { keysManage } from '#services/core/keys/permissions.ts';
import type { Ports } from '#services/core/ports.ts';
import { identifierHash } from '#services/platform/define/email.ts';
import {
  agentAnomaly,
  impossibleTravel,
  machineSignUps as machineSignUpsDetection,
  privilegeBurst,
  tokenTheft,
  unusualPasskey,
} from '../detections.ts';
import type { SightingOf } from '../sighting-of.ts';
import { signalsOf } from './agent-anomaly.ts';
import { travelledFrom } from './impossible-travel.ts';
import type { LogRange } from './log-range.ts';
import { machineSignUps, type SignUp } from './machine-sign-ups.ts';
import { burstOf } from './privilege-burst.ts';
import { countNetworkUsers, readPlacedSignIns, readSignUps } from './sign-in-history.store.ts';
import { isUsedByTwo } from './token-theft.ts';
import { countClientNetworkUsers, readAgentUses, readPrivilegeChanges, readRepeatedUses } from './use-history.store.ts';

/** A sighting that shows only beside earlier events, and the event at which it shows. */
type Found = { readonly seq: number; readonly sighting: SightingOf };
export type HistoryPorts = Pick<Ports, 'sql'> & HasKeyRing;
type Find = (ports: HistoryPorts, range: LogRange) => Promise<Found[]>;

/** From so many other users on known devices, a network is an office, a carrier or the exit of a VPN. */
const SHARED_BY = 2;

const findImpossibleTravel: Find = async ({ sql }, range) => {
  const found: Found[] = [];
  for (const { seq, user_id: userId, detail, earlier, ...signIn } of await readPlacedSignIns(sql, range)) {
    const from = travelledFrom(signIn, earlier);
    if (from === undefined) continue;
    const { network } = signIn;
    if (network !== null && (await countNetworkUsers(sql, { network, seq, userId })) >= SHARED_BY) continue;
    const sessionId = typeof detail.session_id === 'string' ? { sessionId: detail.session_id } : {};
    const detection = detail.factor === 'passkey' ? unusualPasskey : impossibleTravel;
    found.push({
      seq,
      sighting: {
        detection,
        target: { kind: 'user', id: userId },
        detail: {
          seq,
          factor: detail.factor,
          session_id: detail.session_id,
          minutes: Math.round((signIn.at - from.at) / 60_000),
        },
        on: { userId, since: signIn.occurred_at, ...sessionId },
      },
    });
  }
  return found;
};

/** Other users whose tokens a network refreshed before: the servers of a web application. */
const SERVED = 3;

const findTokenTheft: Find = async ({ sql }, range) => {
  const found: Found[] = [];
  for (const use of await readRepeatedUses(sql, range)) {
    const { seq, user_id: userId, family_id: familyId } = use;
    if (!isUsedByTwo(use, use.earlier) || (await countClientNetworkUsers(sql, use)) >= SERVED) continue;
    const target =
      userId === null ? ({ kind: 'installation', id: 'sallyport' } as const) : ({ kind: 'user', id: userId } as const);
    const sighting = {
      detection: tokenTheft,
      target,
      detail: { seq, family_id: familyId },
      on: userId === null ? {} : { userId },
    };
    found.push({ seq, sighting });
  }
  return found;
};

/** Rights to administer this installation; those of applications are none. */
const STRONG_PERMISSIONS = [apiKeysManage, applicationsManage, clientsManage, keysManage, rolesManage, usersManage].map(
  ({ name }) => name,
);
const PRIVILEGE_TYPES = ['user.role_granted', 'role.changed', 'api_key.created', 'client.changed'];

const findPrivilegeBursts: Find = async ({ sql }, range) => {
  const rows = await readPrivilegeChanges(sql, range, {
    strongPermissions: STRONG_PERMISSIONS,
    types: PRIVILEGE_TYPES,
  });
  return rows.flatMap(({ seq, actor_kind: actorKind, actor_id: actorId, changes }) => {
    const burst = burstOf(changes);
    if (burst === null) return [];
    const isUser = actorKind === 'user';
    const sighting = {
      detection: privilegeBurst,
      target: { kind: isUser ? ('user' as const) : ('client' as const), id: actorId },
      detail: { seq, ...burst },
      on: isUser ? { userId: actorId } : {},
    };
    return [{ seq, sighting }];
  });
};

const SIGN_UPS = 1_000;

const findMachineSignUps: Find = async ({ sql, keyRing }, range) => {
  const all: readonly SignUp[] = await readSignUps(sql, range, SIGN_UPS);
  if (all.length > 0) await keyRing.load();
  return all.flatMap((newest, n) => {
    const burst = newest.seq <= range.after ? null : machineSignUps(all.slice(0, n + 1));
    if (burst === null) return [];
    const target =
      burst.by === 'network'
        ? ({ kind: 'network', id: newest.network ?? '' } as const)
        : ({ kind: 'identifier', id: identifierHash(keyRing.secret('identifier'), newest.pattern ?? '') } as const);
    return [
      {
        seq: newest.seq,
        sighting: { detection: machineSignUpsDetection, target, detail: { seq: newest.seq, ...burst }, on: {} },
      },
    ];
  });
};

const findAgentAnomalies: Find = async ({ sql }, range) =>
  (await readAgentUses(sql, range)).flatMap(({ seq, agent_id: agentId, ...use }) => {
    const signals = signalsOf(use);
    if (signals.length === 0) return [];
    const detail = { seq, code: 'unusual_use', signals, acts: use.now.acts, refused: use.now.refused };
    return [
      { seq, sighting: { detection: agentAnomaly, target: { kind: 'client' as const, id: agentId }, detail, on: {} } },
    ];
  });

/** Every detection that compares an event with earlier ones. Each costs one statement for a range without a suspect. */
const FINDS: readonly Find[] = [
  findImpossibleTravel,
  findTokenTheft,
  findPrivilegeBursts,
  findMachineSignUps,
  findAgentAnomalies,
];

/**
 * What events of the range show beside earlier ones. From the log alone, so another run finds the same.
 * @param onFailure called for each detection that failed, whose sightings are missing
 */
export async function findInHistory(
  ports: HistoryPorts,
  range: LogRange,
  onFailure: (err: unknown) => void,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const find of FINDS) found.push(...(await find(ports, range).catch(failed(onFailure))));
  return found;
}

const failed =
  (onFailure: (err: unknown) => void) =>
  (err: unknown): Found[] => {
    onFailure(err);
    return [];
  };
