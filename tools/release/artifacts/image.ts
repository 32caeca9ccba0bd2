/** The images as OCI archives, and the bills of materials of image and npm package. */
import { readFileSync } from 'node:fs';
import { makeArm64 } from '../../image/arm64.ts';
import { makeImage, npmBom, type Report, saveImage, sourceDateEpoch } from '../../image/build.ts';
import { type Engine, findEngine, madeIn } from '../../image/engine.ts';
import { imagePackages, readLock } from '../../image/packages.ts';
import { billOfMaterials } from '../../image/statements.ts';
import { entriesBelow, tar } from './archive.ts';
import type { Artifact } from './packages.ts';
import { readManifest } from './product.ts';

type Say = (text: string) => void;

function archive(engine: Engine, { tag, files }: Report, name: string): readonly Artifact[] {
  return madeIn((folder) => {
    saveImage(engine, tag, folder);
    return [
      { name: `${name}.oci.tar`, bytes: tar(entriesBelow(folder, '.')) },
      { name: `${name}.cdx.json`, bytes: readFileSync(files.sbom) },
    ];
  });
}

/** The image for this machine, and the one for arm64 that is assembled from it. */
export function imageArchives(version: string, say: Say): readonly Artifact[] {
  const engine = findEngine();
  const own = `sallyport:${version}`;
  const name = `sallyport-image-${version}`;
  return [
    ...archive(engine, makeImage(engine, own, say), `${name}-amd64`),
    ...archive(engine, makeArm64(engine, own, `${own}-arm64`, say), `${name}-arm64`),
  ];
}

/** What the npm package holds, and the PostgreSQL that npm installs beside it. */
export function billOfPackage(): Artifact {
  const { version: own, optionalDependencies } = readManifest();
  const databases = Object.entries(optionalDependencies).map(([name, version]) => {
    const license = readLock()[`node_modules/${name}`]?.license ?? 'unknown';
    return { place: `node_modules/${name}`, name, version, license, reason: 'the PostgreSQL of `sallyport start`' };
  });
  const packages = [...imagePackages(readLock(), 'x64'), ...databases];
  const bill = billOfMaterials(npmBom(), packages, [], new Date(sourceDateEpoch() * 1_000));
  return { name: `sallyport-${own}.cdx.json`, bytes: Buffer.from(`${JSON.stringify(bill, null, 2)}\n`) };
}
