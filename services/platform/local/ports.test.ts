import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { credentialsFileOf, readDemoLogin } from './demo-login.ts';
import { isPortFree, randomFreePort } from './ports.ts';

const HOST = '127.0.0.1';

test('a free port is below the ephemeral range, so that it stays free while its server is stopped', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, () => randomFreePort()));
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

test('a port is not free while a process listens on it, and free afterwards', async () => {
  const port = await randomFreePort();
  const server = createServer();
  await new Promise<void>((done) => server.listen(port, HOST, done));
  expect(await isPortFree(port, HOST)).toBe(false);
  await new Promise((done) => server.close(done));
  expect(await isPortFree(port, HOST)).toBe(true);
});

test('an address of another machine is an error that names it', () =>
  expect(isPortFree(0, '192.0.2.1')).rejects.toMatchObject({
    code: 'host_unusable',
    message: '192.0.2.1 is not an address of this machine (EADDRNOTAVAIL)',
  }));

const firstOpenPort = (): number => {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  } catch {
    return 0;
  }
};

test.runIf(process.getuid?.() === 0 && firstOpenPort() > 81)(
  'a privileged port is an error that names it, not a taken port',
  async () => {
    const script = `process.setgid(65534); process.setuid(65534);
      await isPortFree(81, '127.0.0.1').catch((err) => console.log(err.code, err.message, err.fix));`;
    const imports = `import { isPortFree } from ${JSON.stringify(new URL('./ports.ts', import.meta.url).href)};`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', imports + script]);
    expect(stdout).toMatch(/^port_forbidden this user may not listen on port 81 \(EACCES\) set PORT to 1024/);
  },
);

test('the demo login is read from the file of a start, and a missing or broken file has none', async () => {
  const folder = testFolder(onTestFinished);
  const file = credentialsFileOf(folder);
  expect(readDemoLogin(file)).toBeUndefined();
  const user = { email: 'demo@example.test', password: 'x' };
  for (const broken of ['', '{', '{}', '{"user":{"email":"a@b.test"}}', 'null'])
    expect([broken, await writeFile(file, broken), readDemoLogin(file)]).toEqual([broken, undefined, undefined]);
  await writeFile(file, JSON.stringify({ user: { ...user, other: 1 }, admin: { password: 'y' } }));
  expect(readDemoLogin(file)).toEqual(user);
});
