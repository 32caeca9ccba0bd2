/** What is known of the users of one system, and of the bridge to it. */
export type MoveFacts = {
  readonly kind: string;
  readonly users: number;
  /** Users whose password is still there. */
  readonly lazy: number;
  /** Users without a password, a linked account or a passkey here, whose password is not there either. */
  readonly without_credential: number;
  readonly deleted: number;
  readonly open_imports: number;
  /** The newest import that ended; null if none is kept. */
  readonly last_import: { readonly import_id: string; readonly rejected: number; readonly finished_at: string } | null;
  readonly bridge: { readonly sessions: number; readonly last_at: string | null };
};

export type BridgeSettings = {
  readonly issuer: string | null;
  /** Until when tokens and sessions of the issuer are accepted; null: no end is set. */
  readonly until: string | null;
  readonly checks_passwords: boolean;
};

type Item = { readonly item: string; readonly done: boolean; readonly text: string };
export type MoveChecklist = {
  readonly ready: boolean;
  readonly items: readonly Item[];
  /** What would break on the last day. */
  readonly breaks: readonly string[];
  /** What to delete at the other system; empty until the move is ready. */
  readonly delete_there: readonly string[];
};

/** Days in which sessions that came by the bridge count as still coming. */
export const BRIDGE_DAYS = 7;

export const counted = (count: number, one: string, several: string): string =>
  `${count} ${count === 1 ? one : several}`;

/** Decides how far the move from one system is. */
export function moveChecklist(facts: MoveFacts, bridge: BridgeSettings): MoveChecklist {
  const { kind, lazy, without_credential: without, last_import: last, open_imports: open } = facts;
  const { sessions, last_at: lastAt } = facts.bridge;
  const rejected = last?.rejected ?? 0;
  const items: Item[] = [
    {
      item: 'imports_ended',
      done: open === 0,
      text:
        open === 0
          ? 'no import is open'
          : `${counted(open, 'import has', 'imports have')} not ended: repeat the command, or wait for the worker`,
    },
    {
      item: 'nothing_rejected',
      done: rejected === 0,
      text:
        rejected === 0
          ? 'the last import rejected no record'
          : `the last import rejected ${counted(rejected, 'record', 'records')}: correct them and import again, or accept it`,
    },
    {
      item: 'passwords_here',
      done: lazy === 0,
      text:
        lazy === 0
          ? 'no password is left at the other system'
          : `${counted(lazy, 'user has the password', 'users have their password')} still there: it comes here at the first sign-in`,
    },
    {
      item: 'everyone_can_sign_in',
      done: without === 0,
      text:
        without === 0
          ? 'every user has a way to sign in'
          : `${counted(without, 'user has', 'users have')} no password, linked account or passkey: they reset the password to sign in`,
    },
    {
      item: 'sessions_here',
      done: sessions === 0,
      text:
        sessions === 0
          ? `no session came by the bridge in the last ${BRIDGE_DAYS} days`
          : `${counted(sessions, 'session', 'sessions')} came by the bridge in the last ${BRIDGE_DAYS} days, the last at ${lastAt}`,
    },
  ];
  // A record that stays rejected, and a user who resets the password, do not hold up the end.
  const ready = open === 0 && lazy === 0 && sessions === 0;
  return { ready, items, breaks: breaksOf(facts, bridge), delete_there: ready ? deletable(kind, facts) : [] };
}

function breaksOf({ lazy, bridge: { sessions } }: MoveFacts, bridge: BridgeSettings): string[] {
  const breaks: string[] = [];
  const end = bridge.until ?? 'the day on which the old provider is gone';
  if (lazy > 0)
    breaks.push(
      bridge.checks_passwords
        ? `${counted(lazy, 'user', 'users')} could not sign in once the old provider is gone: they would have to reset the password`
        : `${counted(lazy, 'user', 'users')} cannot sign in now: LEGACY_PASSWORD_URL is not set`,
    );
  if (sessions > 0)
    breaks.push(`applications that bring sessions of the old provider get 401 after ${end}, and their users sign in`);
  if (sessions > 0 && bridge.issuer === null) breaks.push('LEGACY_ISSUER is not set: no session comes by the bridge');
  return breaks;
}

const deletable = (kind: string, { users, last_import: last }: MoveFacts): string[] => [
  `the ${users} users of ${kind}, their hashes and factors${last === null ? '' : `: first write \`sallyport import certificate ${last.import_id} FILE\` and keep it`}`,
  'its webhook to /v1/legacy/webhook, and the service of LEGACY_PASSWORD_URL',
  'its signing keys and clients; here, the LEGACY_ settings',
  'exported files of hashes, wherever they are',
];
