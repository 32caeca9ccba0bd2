import type { Places } from './places.ts';
import type { Dice } from './random.ts';

/** A browser or app of one person. A browser that lost its cookies is unknown at its next sign-in. */
export type Device = { readonly id: string; readonly agent: string };

/** Where an act comes from. */
export type From = { readonly ip: string; readonly agent: string };

/** What happens at the installation, before any detection is asked. Times are milliseconds since 1970. */
export type Act = { readonly at: number; readonly label: Label } & (
  | ({
      readonly kind: 'sign_in';
      readonly userId: string;
      readonly deviceId: string;
      readonly forgetsDevice?: boolean;
      readonly factor?: 'password' | 'passkey' | 'social';
    } & From)
  | ({
      readonly kind: 'refresh';
      readonly familyId: string;
      readonly userId: string;
      readonly clientId: string;
      readonly outcome: 'rotated' | 'kept' | 'grace' | 'lost_answer' | 'replay';
    } & From)
  | ({
      readonly kind: 'agent_token';
      readonly agentId: string;
      readonly scope: string;
      readonly isRefused?: boolean;
    } & From)
  | ({ readonly kind: 'agent_denied'; readonly agentId: string; readonly operation: string } & From)
  | ({ readonly kind: 'role_granted'; readonly by: string; readonly userId: string; readonly role: string } & From)
  | ({
      readonly kind: 'role_changed';
      readonly by: string;
      readonly role: string;
      readonly added: readonly string[];
    } & From)
  | ({
      readonly kind: 'client_changed';
      readonly by: string;
      readonly clientId: string;
      readonly columns: readonly string[];
    } & From)
  | ({ readonly kind: 'api_key_created'; readonly by: string; readonly permissions: readonly string[] } & From)
  | ({
      readonly kind: 'sign_up';
      readonly userId: string;
      readonly email: string;
      /** Null: the address is never verified. */
      readonly verifiedAfterMs: number | null;
    } & From)
);

/** What the act really is. `trace` names one attack, or one benign group. */
export type Label = { readonly truth: 'benign' | 'attack'; readonly group: string; readonly trace: string };

export const benign = (group: string, trace = group): Label => ({ truth: 'benign', group, trace });

/** What every generator takes. */
export type Making = {
  readonly dice: Dice;
  readonly places: Places;
  /** The simulated span. */
  readonly from: number;
  readonly to: number;
};

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
