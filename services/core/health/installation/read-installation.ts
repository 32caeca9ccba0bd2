import type { Ports } from '#services/core/ports.ts';
import { type InstallationFacts, readFacts } from './installation.store.ts';

export type { InstallationFacts };

/** What the API said of its installation; undefined before its first start. */
export const readInstallation = ({ sql }: Pick<Ports, 'sql'>): Promise<InstallationFacts | undefined> => readFacts(sql);
