import type { Log } from '#services/domain/ports.ts';

export type VersionFollower = {
  /**
   * Reloads when the version is not the one last loaded. One reload at a time; a failed one is tried again when the
   * version is next seen. Resolves with true once a version is loaded. Never rejects.
   */
  see(version: number): Promise<boolean>;
  /** The next version seen is loaded, whatever it is. */
  forget(): void;
};

/** Keeps in-memory state at a version that the database counts. */
export function createVersionFollower(what: string, reload: () => Promise<unknown>, log: Log): VersionFollower {
  let loaded: number | null = null;
  let wanted: number | null = null;
  let running: Promise<boolean> | null = null;

  async function run(): Promise<boolean> {
    try {
      while (loaded !== wanted) {
        const version = wanted;
        await reload();
        loaded = version;
      }
    } catch (err) {
      log.warn({ err, what }, 'state could not be reloaded; it is tried again');
    }
    return loaded !== null;
  }

  return {
    see(version) {
      wanted = version;
      if (loaded === version && running === null) return Promise.resolve(true);
      running ??= run().finally(() => {
        running = null;
      });
      return running;
    },
    forget() {
      loaded = null;
    },
  };
}
