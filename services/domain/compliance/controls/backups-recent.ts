import { defineMachineControl, type Observation } from '../control.ts';
import { readArchiver } from '../probes/custody.store.ts';

const AGE_MAX_HOURS = 24;

export const backupsRecent = defineMachineControl({
  name: 'backups-recent',
  title: 'The newest backup is less than a day old',
  clause: '164.308(a)(7)(ii)(A)',
  profile: 'current',
  requirement: 'required',
  population: 'means of backup: WAL archiving, and the backup folder',
  probe: 'Reads when PostgreSQL last archived WAL, and the age of the newest file in the backup folder',
  probeVersion: 1,
  evidence: 'Hours since the last archived segment and since the newest file, and its size',
  pace: 'frequent',
  threat: 'A lost disk or ransomware ends the service',
  humanDuty: 'Keep a copy elsewhere, and rehearse restoring it.',
  check: async ({ sql, clock, installation }): Promise<Observation> => {
    const archiver = await readArchiver(sql);
    const newest = await installation.newestBackup();
    const isArchiving = archiver.mode !== 'off';
    const archivedHours = archiver.secondsAgo === null ? null : Math.floor(archiver.secondsAgo / 3_600);
    const fileHours = newest == null ? null : Math.floor(Math.max(0, clock.now() - newest.writtenAtMs) / 3_600_000);
    const isFresh = (hours: number | null): boolean => hours !== null && hours < AGE_MAX_HOURS;
    const means = [isArchiving, newest !== undefined].filter(Boolean).length;
    const isBacked = (isArchiving && isFresh(archivedHours)) || (isFresh(fileHours) && (newest?.bytes ?? 0) > 0);
    const why =
      means === 0
        ? 'PostgreSQL does not archive WAL, and BACKUP_FOLDER is not set: no backup is visible'
        : 'the newest backup is more than a day old, empty or missing';
    return {
      population: Math.max(means, 1),
      exceptions: isBacked ? [] : [{ resource: 'backup', why }],
      observed: {
        archive_mode: archiver.mode,
        archived_hours_ago: archivedHours,
        folder_configured: newest !== undefined,
        newest_file_hours_ago: fileHours,
        newest_file_bytes: newest?.bytes ?? null,
      },
    };
  },
});
