/** The image as an OCI archive, and the bills of materials of image and npm package. */
import { readFileSync } from 'node:fs';
import { makeImage, npmBom, saveImage, sourceDateEpoch } from '../../image/build.ts';
import { findEngine, madeIn } from '../../image/engine.ts';
import { imagePackages, readLock } from '../../image/packages.ts';
import { billOfMaterials } from '../../image/statements.ts';
import { entriesBelow, tar } from './archive.ts';
import type { Artifact } from './packages.ts';
import { readManifest } from './product.ts';

export function imageArchive(version: string, say: (text: string) => void): readonly Artifact[] {
  const engine = findEngine();
  const tag = `sallyport:${version}`;
  const { files } = makeImage(engine, tag, say);
  const name = `sallyport-image-${version}-amd64`;
  return madeIn((folder) => {
    saveImage(engine, tag, folder);
    return [
      { name: `${name}.oci.tar`, bytes: tar(entriesBelow(folder, '.')) },
      { name: `${name}.cdx.json`, bytes: readFileSync(files.sbom) },
    ];
  });
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
