/** What is said about an image beside it: its parts (CycloneDX) and how it was built (in-toto, SLSA). */
import { createHash } from 'node:crypto';
import type { ImagePackage } from './packages.ts';

type Component = { readonly 'bom-ref': string; readonly name: string; readonly version: string };
export type Bom = {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
};
export type DebianPackage = { readonly name: string; readonly version: string; readonly architecture: string };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A serial number that depends on the content alone, in the form of a UUID. */
function serialOf(text: string): string {
  const hex = sha256(text);
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return `urn:uuid:${parts.join('-')}`;
}

/**
 * npm's bill of materials of the lock file, reduced to what the image holds, with the packages of its base.
 * @throws if npm does not list a package that the image holds
 */
export function billOfMaterials(
  listed: Bom,
  packages: readonly ImagePackage[],
  debian: readonly DebianPackage[],
  builtAt: Date,
): Bom {
  const reasons = new Map(packages.map((each) => [`${each.name}@${each.version}`, each]));
  const npm = listed.components.filter((component) => reasons.has(component['bom-ref']));
  const missing = [...reasons.keys()].filter((ref) => !npm.some((component) => component['bom-ref'] === ref));
  if (missing.length > 0) throw new Error(`npm sbom does not list ${missing.join(', ')}`);
  const base = debian.map(({ name, version, architecture }) => ({
    'bom-ref': `deb:${name}@${version}`,
    type: 'library',
    name,
    version,
    purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`,
  }));
  const components = [
    ...npm.map((component) => ({
      // Some packages say it beside the member that npm reads.
      licenses: [{ license: { id: reasons.get(component['bom-ref'])?.license } }],
      ...component,
      properties: [{ name: 'sallyport:reason', value: reasons.get(component['bom-ref'])?.reason }],
    })),
    ...base,
  ].sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1));
  const refs = new Set([listed.metadata.component['bom-ref'], ...reasons.keys()]);
  const dependencies = listed.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  const metadata = {
    ...listed.metadata,
    timestamp: builtAt.toISOString(),
    component: { ...listed.metadata.component, name: 'sallyport' },
  };
  const serialNumber = serialOf(JSON.stringify([metadata, components, dependencies]));
  return { ...listed, serialNumber, metadata, components, dependencies };
}

export type Build = {
  readonly image: string;
  /** sha256 of the image's configuration, hex. */
  readonly imageDigest: string;
  readonly commit: string;
  /** Whether files differ from the commit. */
  readonly isDirty: boolean;
  readonly builder: string;
  readonly bases: readonly { readonly image: string; readonly digest: string; readonly standIn?: string }[];
  readonly inputs: readonly { readonly name: string; readonly sha256: string }[];
  readonly sourceDateEpoch: number;
  readonly startedAt: Date;
  readonly finishedAt: Date;
};

/** An in-toto statement v1 with a SLSA provenance v1 predicate. It is not signed: the release signs it. */
export const provenance = (build: Build): object => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: build.image, digest: { sha256: build.imageDigest } }],
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {
    buildDefinition: {
      buildType: 'urn:sallyport:build:dockerfile:v1',
      externalParameters: { dockerfile: 'Dockerfile', sourceDateEpoch: build.sourceDateEpoch },
      internalParameters: { uncommittedChanges: build.isDirty },
      resolvedDependencies: [
        { uri: 'git+file:.', digest: { gitCommit: build.commit } },
        ...build.inputs.map(({ name, sha256 }) => ({ uri: `file:${name}`, digest: { sha256 } })),
        ...build.bases.map(({ image, digest, standIn }) => ({
          uri: `oci:${image}`,
          digest: { sha256: digest },
          ...(standIn === undefined ? {} : { annotations: { standIn } }),
        })),
      ],
    },
    runDetails: {
      builder: { id: build.builder },
      metadata: { startedOn: build.startedAt.toISOString(), finishedOn: build.finishedAt.toISOString() },
    },
  },
});
