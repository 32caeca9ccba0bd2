/** `npm run image`: builds the image of the product, and says what is in it. */
import { parseArgs } from 'node:util';
import { makeImage, proveReproducible, TAG } from './build.ts';
import { findEngine } from './engine.ts';

const HELP = `npm run image [-- --twice] [-- --json]

Builds the Dockerfile with Docker or podman, checks the size and the packages of the image, and writes its bill of
materials (CycloneDX) and its provenance (in-toto, SLSA) into .sallyport/image/statements. Prints the tag and the size.

Base images that cannot be pulled are replaced by stand-ins from Debian packages, named aloud: see tools/image/stand-ins.ts.

  --twice      build again, and compare the digests
  --tag NAME   instead of ${TAG}
  --json       one line of JSON
`;

const say = (text: string): void => void process.stderr.write(`image: ${text}\n`);
const { values } = parseArgs({
  options: {
    twice: { type: 'boolean' },
    json: { type: 'boolean' },
    tag: { type: 'string', default: TAG },
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.help) process.stdout.write(HELP);
else {
  try {
    const engine = findEngine();
    const report = makeImage(engine, values.tag, say);
    const proof = values.twice ? proveReproducible(engine, values.tag, say) : undefined;
    if (values.json) process.stdout.write(`${JSON.stringify({ ...report, ...(proof ? { proof } : {}) })}\n`);
    else {
      process.stdout.write(`${report.tag} · ${report.megabytes} MB · ${report.packages} npm packages\n`);
      for (const [name, path] of Object.entries(report.files)) process.stdout.write(`${name}: ${path}\n`);
      if (report.standIns.length > 0) process.stdout.write(`STAND-INS below it: ${report.standIns.join(', ')}\n`);
      if (proof) process.stdout.write(`${proof}\n`);
    }
  } catch (err) {
    process.stderr.write(`image: ${(err as Error).message}\n`);
    process.exitCode = 1;
  }
}
