import { systemCaller } from '#services/platform/define/system-caller.ts';
import type { AccountDetailView } from '../core/identity/contracts/admin-contract.ts';
import { createFactorSeal } from '../core/identity/sessions/factor-seal.ts';
import { relyingParty } from '../core/identity/sessions/relying-party.ts';
import { loadConfig, publicUrlOf } from '../platform/config/load.ts';
import { processInputsOf } from '../platform/process/inputs.ts';
import { adapterOf } from '../wings/import/adapters/adapters.ts';
import { importMap } from '../wings/import/import-shapes.ts';
import {
  type ImportOnePorts,
  type LegacySystem,
  migrateFromLegacyProvider,
  syncLegacyProviderData,
} from '../wings/import/run/import-one.ts';
import { assertWing, type HasWings } from './assert-wing.ts';

export type LegacySystemPorts = Omit<ImportOnePorts, 'factorSeal' | 'relyingPartyId'>;

export type LegacySystemSettings = Pick<LegacySystem, 'exportUser'> & {
  /** A kind of `sallyport import`. */
  readonly kind: string;
  /** As the file of `--map`. */
  readonly map?: object;
};

const caller = systemCaller('legacy-system-service');

/** Imports users of another system one by one, for TypeScript code in the same process. */
export class LegacySystemService {
  readonly #ports: ImportOnePorts;
  readonly #system: LegacySystem;

  /**
   * @param env settings of the ports by name, as `openSallyport` takes them
   * Throws `import_kind_unknown` (400).
   */
  constructor(
    ports: LegacySystemPorts & HasWings,
    env: Readonly<Record<string, string | undefined>>,
    { kind, map, exportUser }: LegacySystemSettings,
  ) {
    assertWing(ports, 'import');
    const adapter = adapterOf(kind);
    const config = loadConfig(env);
    this.#ports = {
      ...ports,
      factorSeal: createFactorSeal(processInputsOf(config).authSecret),
      relyingPartyId: relyingParty(publicUrlOf(config)).rpID,
    };
    this.#system = { adapter, map: importMap.parse(map), exportUser, reason: 'legacy-system-service' };
  }

  /**
   * Imports a user, or what changed there since, and returns the user here; twice is one user. Throws
   * `imported_user_unknown` (404), `record_rejected` (422).
   */
  migrateFromLegacyProvider(legacyUserId: string): Promise<AccountDetailView> {
    return migrateFromLegacyProvider(this.#ports, this.#system, legacyUserId, caller);
  }

  /** Asks the other system for a user of ours again, and takes over what changed there. Throws the same errors. */
  syncLegacyProviderData(userId: string): Promise<AccountDetailView> {
    return syncLegacyProviderData(this.#ports, this.#system, userId, caller);
  }
}
