import { expect, test } from 'vitest';
import { randomFreePort } from '../platform/local/ports.ts';
import { claimListenPort, type WantedPort } from './listen-port.ts';
import { claimPort } from './port-claim.ts';

const host = '127.0.0.1';
const claimApiPort = (wanted: number, say: (text: string) => void, isSet = false, more: Partial<WantedPort> = {}) =>
  claimListenPort({ wanted, host, loopback: 'localhost', setting: 'PORT', isSet, say, ...more });

test('a taken port is replaced by the next free one, which is logged, and the address follows', async () => {
  const said: string[] = [];
  const wanted = await randomFreePort();
  const holder = await claimPort(wanted, host);
  const api = await claimApiPort(wanted, (text) => said.push(text));
  expect(api.port).toBeGreaterThan(wanted);
  expect(api.url).toBe(`http://127.0.0.1:${api.port}`);
  expect(said).toEqual([`port ${wanted} is taken: using ${api.port}`]);
  holder.release();
  api.release();
});

test('a port set explicitly is claimed or refused, now and later; 0 asks for any', async () => {
  const wanted = await randomFreePort();
  const holder = await claimPort(wanted, host);
  const refusal = {
    code: 'port_taken',
    message: expect.stringContaining(`port ${wanted} of ${host}, which PORT asks`),
  };
  await expect(claimApiPort(wanted, () => {}, true)).rejects.toMatchObject(refusal);
  holder.release();
  const api = await claimApiPort(wanted, () => {}, true);
  expect(api.port).toBe(wanted);
  await expect(api.move([])).rejects.toMatchObject(refusal);
  api.release();
  const any = await claimApiPort(0, () => {}, true);
  await any.move([]);
  any.release();
});

test('after a move it claims the new port, skips excepted ones, and releases the old one', async () => {
  const said: string[] = [];
  const api = await claimApiPort(await randomFreePort(), (text) => said.push(text));
  const { port: before } = api;
  await api.move([before + 1]);
  expect(api.port).toBeGreaterThan(before + 1);
  expect(api.url).toBe(`http://127.0.0.1:${api.port}`);
  expect(said.at(-1)).toBe(`port ${before} is taken: using ${api.port}`);

  const old = await claimPort(before, host);
  expect(old.port).toBe(before);
  const another = await claimPort(api.port, host);
  expect(another.port).toBeGreaterThan(api.port);
  another.release();
  api.release();
  const released = await claimPort(api.port, host);
  expect(released.port).toBe(api.port);
  released.release();
  old.release();
});

test('the MCP server does not take the port of the API, and messages name its own setting', async () => {
  const wanted = await randomFreePort();
  const said: string[] = [];
  const mcp = await claimApiPort(wanted, (text) => said.push(text), false, { setting: 'MCP_PORT', except: [wanted] });
  expect(said).toEqual([`MCP port ${wanted} is taken: using ${mcp.port}`]);
  mcp.release();
  const set = claimApiPort(wanted, () => {}, true, { setting: 'MCP_PORT', except: [wanted] });
  await expect(set).rejects.toThrow('which MCP_PORT asks for');
});
