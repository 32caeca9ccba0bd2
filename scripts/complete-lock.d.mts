export interface LockEntry {
  version?: string;
  optional?: boolean;
  dev?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}
/** What a package's name says about its platform, as the fields npm compares with the machine. */
export function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'>;
/** The optional dependencies that the lock names but does not hold, as entries to add, by path. */
export function missingOptional(packages: Record<string, LockEntry>): Record<string, LockEntry>;
