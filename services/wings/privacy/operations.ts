import { operation } from '#services/core/shared/operation.ts';
import {
  breakGlassOperations,
  disclosureOperations,
  policyOperations,
  privacyRequestOperations,
  restrictionOperations,
} from './access/operations.ts';
import { consentOperations, listConsentsOperation } from './consent/operations.ts';
import {
  decryptPhiEndpoint,
  encryptPhiEndpoint,
  listPhiKeysEndpoint,
  type PhiKeyView,
  type PhiRotationView,
  readPhiRotationEndpoint,
  rotatePhiKeysEndpoint,
  shredPhiEndpoint,
} from './contract.ts';
import { decryptPhi } from './decrypt-phi.ts';
import { encryptPhi } from './encrypt-phi.ts';
import { holdOperations, retentionOperations } from './retention/operations.ts';
import { listPhiKeys, readPhiRotation, rotatePhiKeys } from './rotate-encryption-keys.ts';
import { shredPhi } from './shred-phi.ts';

const keyLine = ({ key_version, state, created_at, destroyed_at }: PhiKeyView): string =>
  `${String(key_version).padStart(5)}  ${state.padEnd(9)}  created ${created_at}${destroyed_at === null ? '' : `  destroyed ${destroyed_at}`}`;

const rotationLine = ({ rotation_id, state, key_version, data_keys, rewrapped }: PhiRotationView): string =>
  `rotation ${rotation_id}  ${state}  to key ${key_version}  ${rewrapped} of ${data_keys ?? '?'} data keys`;

/** The key-encryption keys of health data. */
const phiKeyOperations = [
  operation(listPhiKeysEndpoint, listPhiKeys, {
    verb: 'phi keys',
    lines: ({ keys, rotation }) => [...keys.map(keyLine), ...(rotation === null ? [] : [rotationLine(rotation)])],
  }),
  operation(rotatePhiKeysEndpoint, rotatePhiKeys, {
    verb: 'phi rotate',
    help: 'create the next key-encryption key; a worker re-wraps every data key under it',
    asks: () => 'create the next key and re-wrap every data key',
    lines: (rotation) => [rotationLine(rotation)],
  }),
  operation(readPhiRotationEndpoint, readPhiRotation, {
    verb: 'phi rotation <rotation_id>',
    arguments: {
      rotation_id: { member: 'rotation_id', help: 'id of the rotation, as `phi rotate` and `phi keys` print it' },
    },
    listedBy: 'keys',
    lines: (rotation) => [rotationLine(rotation)],
  }),
];

/** Health data of persons. */
const phiOperations = [
  operation(encryptPhiEndpoint, encryptPhi),
  operation(decryptPhiEndpoint, decryptPhi),
  operation(shredPhiEndpoint, shredPhi, {
    verb: 'phi shred <subject_id>',
    checksArguments: true,
    asks: ({ subject_id: subjectId }) => `destroy the data keys of ${subjectId} for good`,
    lines: (done) => [`${done.shredded_at}  ${done.destroyed_keys} data keys of ${done.subject_id} destroyed`],
  }),
];

export const privacyOperations = [
  ...phiKeyOperations,
  ...phiOperations,
  ...policyOperations,
  ...breakGlassOperations,
  ...restrictionOperations,
  ...disclosureOperations,
  ...privacyRequestOperations,
  listConsentsOperation,
  ...consentOperations,
  ...retentionOperations,
  ...holdOperations,
];
