import type { HasAccess } from '../../domain/access/access-directory.ts';
import type { HasClientSettings } from '../../domain/access/client-settings.ts';
import {
  readOpenIdConfigurationEndpoint,
  readResourceMetadataEndpoint,
  readServerMetadataEndpoint,
} from '../../domain/access/metadata-contract.ts';
import {
  type HasPublicAddress,
  openIdConfiguration,
  resourceMetadata,
  serverMetadata,
} from '../../domain/access/server-metadata.ts';
import type { HasKeyRing } from '../../domain/keys/key-ring.ts';
import { bind, type RouteContext } from '../bind.ts';

export type MetadataRoutesDeps = HasAccess & HasClientSettings & HasKeyRing & HasPublicAddress;

/** Discovery for clients and resource servers. */
export function metadataRoutes(routes: RouteContext, deps: MetadataRoutesDeps): void {
  bind(routes, readServerMetadataEndpoint, () => serverMetadata(deps));
  bind(routes, readOpenIdConfigurationEndpoint, () => openIdConfiguration(deps));
  bind(routes, readResourceMetadataEndpoint, () => resourceMetadata(deps));
}
