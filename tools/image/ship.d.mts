export type Package = {
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { optional?: boolean }>;
};
export function shippedPackages(packages: Record<string, Package>): Set<string>;
export function shippedFiles(): string[];
export function filesOfPackage(place: string): string[];
export function withoutSymbols(elf: Buffer): Buffer;
export function ship(folder: string): void;
export function isRead(path: string): boolean;
