import type { Ports } from '../ports.ts';
import type { HasAccess } from './access-directory.ts';
import { logoBytes } from './client-logo.ts';
import { readLogo } from './clients.store.ts';
import { clientUnknown } from './errors.ts';

/** The PNG that pages show beside the name of a client. Throws `client_unknown` (404), also for a client without one. */
export async function readClientLogo(ports: Pick<Ports, 'sql'> & HasAccess, clientId: string): Promise<Buffer> {
  // Unknown ids cost no query.
  const logo = ports.access.client(clientId)?.has_logo === true ? await readLogo(ports.sql, clientId) : null;
  if (logo === null) throw clientUnknown();
  return logoBytes(logo);
}
