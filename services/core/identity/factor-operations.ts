import { operation } from '../shared/operation.ts';
import { listFactorsEndpoint, renewRecoveryCodesEndpoint } from './contracts/factors-contract.ts';
import { listPasskeysEndpoint, preparePasskeyEndpoint, renamePasskeyEndpoint } from './contracts/passkeys-contract.ts';
import { listFactors, listPasskeys, renamePasskey } from './factors/own-factors.ts';
import { preparePasskey } from './factors/register-passkey.ts';
import { renewRecoveryCodes } from './factors/renew-recovery-codes.ts';

/** What users do with their factors that opens no session. */
export const factorOperations = [
  operation(listFactorsEndpoint, listFactors),
  operation(renewRecoveryCodesEndpoint, renewRecoveryCodes),
  operation(preparePasskeyEndpoint, preparePasskey),
  operation(listPasskeysEndpoint, listPasskeys),
  operation(renamePasskeyEndpoint, renamePasskey),
];
