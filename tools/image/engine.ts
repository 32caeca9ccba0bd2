import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ensureProgram, onPath } from '../checks/debian-package.ts';

export const root = resolve(import.meta.dirname, '../..');
/** Where images, root file systems and the files about images are kept. */
export const imageFolder = join(root, '.sallyport/image');

/** What a program makes in a folder that is gone afterwards. */
export function madeIn<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-release-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Ran = { readonly status: number; readonly stdout: string; readonly stderr: string };

export type Engine = {
  readonly name: 'docker' | 'podman';
  /** Variables that it needs here, as does a program that starts it. */
  readonly env: Readonly<Record<string, string>>;
  /** Options of a build that this machine needs. */
  readonly buildOptions: readonly string[];
  /** Options of `run` that give a container an init as process 1. */
  readonly initOptions: readonly string[];
  /** Runs the engine and keeps its output. */
  ask(...args: readonly string[]): Ran;
  /** As `ask`, beside others. */
  askBeside(...args: readonly string[]): Promise<Ran>;
  /** Runs the engine. @returns its standard output @throws its output if it fails */
  run(...args: readonly string[]): string;
  /** Runs the engine and shows its output on stderr. @throws if it fails */
  show(...args: readonly string[]): void;
};

/**
 * podman's settings on a machine without systemd: cgroups by its own hand, and runc, because crun refuses mixed cgroups.
 * They are a file of ours, so that the machine's own settings stay as they are.
 */
function settingsWithoutSystemd(): Record<string, string> {
  const init = ensureProgram({ package: 'catatonit', name: 'catatonit', path: 'usr/bin/catatonit' });
  const lines = [
    '[containers]',
    'default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]',
    'log_driver = "k8s-file"',
    `init_path = "${init}"`,
    '[engine]',
    'cgroup_manager = "cgroupfs"',
    'events_logger = "file"',
    ...(onPath('runc') || existsSync('/usr/sbin/runc') ? ['runtime = "runc"'] : []),
    '[network]',
    'network_backend = "netavark"',
    '',
  ];
  mkdirSync(imageFolder, { recursive: true });
  const path = join(imageFolder, 'containers.conf');
  writeFileSync(path, lines.join('\n'));
  // Its timers of health checks are systemd's; without them, whoever starts a container asks for its health.
  return { CONTAINERS_CONF: path, DISABLE_HC_SYSTEMD: 'true' };
}

const answers = (command: string, ...args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 }).status === 0;

function engineOf(name: Engine['name'], env: Record<string, string>, buildOptions: readonly string[]): Engine {
  const options = { cwd: root, env: { ...process.env, ...env }, maxBuffer: 256 * 1_024 * 1_024 };
  const ask = (...args: readonly string[]): Ran => {
    const { status, stdout, stderr, error } = spawnSync(name, args, { ...options, encoding: 'utf8' });
    return { status: status ?? 1, stdout: stdout ?? '', stderr: `${stderr ?? ''}${error?.message ?? ''}` };
  };
  return {
    name,
    env,
    buildOptions,
    initOptions: ['--init'],
    ask,
    askBeside: (...args) =>
      new Promise((done) => {
        const child = execFile(name, args, options, (_err, stdout, stderr) =>
          done({ status: child.exitCode ?? 1, stdout: String(stdout), stderr: String(stderr) }),
        );
      }),
    run(...args) {
      const { status, stdout, stderr } = ask(...args);
      if (status !== 0) throw new Error(`${name} ${args.join(' ')} failed:\n${stdout}${stderr}`);
      return stdout.trim();
    },
    show(...args) {
      const { status } = spawnSync(name, args, { ...options, stdio: ['ignore', 2, 2] });
      if (status !== 0) throw new Error(`${name} ${args.join(' ')} failed`);
    },
  };
}

/** Docker if its daemon answers, else podman. @throws what to install */
export function findEngine(): Engine {
  if (onPath('docker') && answers('docker', 'info')) return engineOf('docker', {}, []);
  if (onPath('podman')) {
    if (existsSync('/run/systemd/system')) return engineOf('podman', {}, ['--pull=never', '--format=docker']);
    return engineOf('podman', settingsWithoutSystemd(), [
      '--pull=never',
      '--format=docker',
      '--isolation=chroot',
      '--network=host',
    ]);
  }
  throw new Error(
    'neither a Docker daemon nor podman answers here\n  fix: install Docker, or (Debian, Ubuntu) podman, buildah, runc, netavark, aardvark-dns and iptables',
  );
}
