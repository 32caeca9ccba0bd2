import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { oneOf, optionalText, optionalUrl, textOr } from './shapes.ts';

export const wrappedKeySettings = defineSettings({
  service: {
    env: 'KEY_ENCRYPTION_SERVICE',
    schema: oneOf(['none', 'vault', 'aws-kms'], 'none'),
    use: 'Service that decrypts KEY_ENCRYPTION_KEY_WRAPPED at a start: vault (the transit engine of HashiCorp Vault or OpenBao) or aws-kms.',
  },
  wrappedKey: {
    env: 'KEY_ENCRYPTION_KEY_WRAPPED',
    schema: optionalText(8_192),
    use: 'KEY_ENCRYPTION_KEY, encrypted by that service, so that no setting has the key in clear. `sallyport keys wrap` creates one.',
  },
  previousWrappedKey: {
    env: 'KEY_ENCRYPTION_KEY_PREVIOUS_WRAPPED',
    schema: optionalText(8_192),
    use: 'The old KEY_ENCRYPTION_KEY_WRAPPED, while you change it. Unset it afterwards.',
  },
  vaultUrl: {
    env: 'VAULT_ADDR',
    schema: optionalUrl(),
    use: 'Address of Vault.',
    example: 'https://vault.example.com:8200',
  },
  vaultToken: {
    env: 'VAULT_TOKEN',
    schema: optionalText(1_024),
    use: 'Token for Vault; needs update on <mount>/decrypt/<key>.',
    secret: true,
  },
  vaultTokenFile: { env: 'VAULT_TOKEN_FILE', schema: optionalText(1_024), use: 'File with VAULT_TOKEN.' },
  vaultNamespace: { env: 'VAULT_NAMESPACE', schema: optionalText(256), use: 'Namespace in Vault, if any.' },
  transitMount: {
    env: 'VAULT_TRANSIT_MOUNT',
    schema: textOr('transit', 256),
    use: 'Path of the transit engine in Vault.',
  },
  transitKey: { env: 'VAULT_TRANSIT_KEY', schema: textOr('sallyport', 256), use: 'Name of the transit key in Vault.' },
  kmsKeyId: { env: 'AWS_KMS_KEY_ID', schema: optionalText(2_048), use: 'Id or ARN of the key in AWS KMS.' },
  kmsUrl: {
    env: 'AWS_KMS_URL',
    schema: optionalUrl(),
    use: 'Address of AWS KMS; unset: that of AWS_REGION.',
    example: 'https://kms.eu-central-1.amazonaws.com',
  },
  kmsRegion: { env: 'AWS_REGION', schema: textOr('us-east-1', 64), use: 'Region of the key in AWS KMS.' },
  accessKeyId: { env: 'AWS_ACCESS_KEY_ID', schema: optionalText(256), use: 'Access key id for AWS KMS.' },
  secretAccessKey: {
    env: 'AWS_SECRET_ACCESS_KEY',
    schema: optionalText(256),
    use: 'Secret access key for AWS KMS; needs kms:Decrypt.',
    secret: true,
  },
  sessionToken: {
    env: 'AWS_SESSION_TOKEN',
    schema: optionalText(4_096),
    use: 'Session token for AWS KMS, with temporary credentials.',
    secret: true,
  },
});

export type WrappedKeySettings = SettingsOf<typeof wrappedKeySettings>;

/** Problems that make a wrapped key impossible to decrypt, or ambiguous. @param clearKeyIsSet KEY_ENCRYPTION_KEY or its file */
export const wrappedKeyProblems = (
  settings: WrappedKeySettings,
  { clearKeyIsSet, isProduction }: { readonly clearKeyIsSet: boolean; readonly isProduction: boolean },
): ConfigProblem[] =>
  problemsOf((refuse) => {
    const { service, wrappedKey, previousWrappedKey } = settings;
    if (clearKeyIsSet && wrappedKey !== undefined)
      refuse('KEY_ENCRYPTION_KEY_WRAPPED', 'is set, and so is KEY_ENCRYPTION_KEY', 'unset one of them');
    if (service === 'none') {
      if ((wrappedKey ?? previousWrappedKey) !== undefined)
        refuse('KEY_ENCRYPTION_SERVICE', 'is not set while a key is wrapped', 'set it to vault or aws-kms');
      return;
    }
    const needed =
      service === 'vault'
        ? ([
            ['VAULT_ADDR', settings.vaultUrl],
            ['VAULT_TOKEN', settings.vaultToken ?? settings.vaultTokenFile],
          ] as const)
        : ([
            ['AWS_KMS_KEY_ID', settings.kmsKeyId],
            ['AWS_ACCESS_KEY_ID', settings.accessKeyId],
            ['AWS_SECRET_ACCESS_KEY', settings.secretAccessKey],
          ] as const);
    for (const [env, value] of needed)
      if (value === undefined) refuse(env, `is not set while KEY_ENCRYPTION_SERVICE is ${service}`, 'set it');
    for (const [env, url] of [
      ['VAULT_ADDR', settings.vaultUrl],
      ['AWS_KMS_URL', settings.kmsUrl],
    ] as const)
      if (isProduction && url?.startsWith('http:'))
        refuse(env, 'is not https under production', 'use TLS: the answer is the key-encryption key');
  });
