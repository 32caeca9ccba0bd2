import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { POLL, PUSH } from './streams-contract.ts';

type ConfigurationPorts = {
  readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer'>;
  readonly publicUrl: string;
};

/** SSF 1.0 §7.1. */
export const ssfConfiguration = ({ tokenSettings, publicUrl }: ConfigurationPorts) => ({
  spec_version: '1_0',
  issuer: tokenSettings.issuer,
  jwks_uri: `${publicUrl}/.well-known/jwks.json`,
  delivery_methods_supported: [PUSH, POLL],
  configuration_endpoint: `${publicUrl}/ssf/streams`,
  status_endpoint: `${publicUrl}/ssf/status`,
  add_subject_endpoint: `${publicUrl}/ssf/subjects/add`,
  remove_subject_endpoint: `${publicUrl}/ssf/subjects/remove`,
  verification_endpoint: `${publicUrl}/ssf/verify`,
  authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
  default_subjects: 'ALL',
});
