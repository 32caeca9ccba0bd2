import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { optionalText, storeUrl } from './shapes.ts';

export const complianceSettings = defineSettings({
  backupFolder: {
    env: 'BACKUP_FOLDER',
    schema: optionalText(1_024),
    use: 'Folder that receives the backups. The compliance control backups-recent reads the age of its newest file. Unset: the control sees only the WAL archiving of PostgreSQL.',
  },
  restoreDrillUrl: {
    env: 'RESTORE_DRILL_URL',
    schema: storeUrl(['postgresql:', 'postgres:'], 'postgresql://drill:password@host:5432/postgres'),
    use: 'PostgreSQL server on which a restore is rehearsed once a week: a login with CREATEDB and no other right, and any database of the server. The databases of a rehearsal are named sallyport_drill_… and dropped afterwards. Unset: no rehearsal, and the compliance control restore-drill fails.',
    secret: true,
  },
  restoreDrillBackup: {
    env: 'RESTORE_DRILL_BACKUP',
    schema: optionalText(1_200),
    use: 'Backup that is restored in a rehearsal: a file, or s3://bucket/key with the settings BACKUP_S3_…. Unset: a rehearsal makes a backup of its own, which shows that today can be restored, and nothing of what is kept.',
    example: 's3://backups/daily.backup',
  },
  restoreDrillKeyFile: {
    env: 'RESTORE_DRILL_KEY_FILE',
    schema: optionalText(1_024),
    use: 'File with the key of RESTORE_DRILL_BACKUP.',
  },
});

/** Problems that make a rehearsal of a kept backup impossible. */
export const complianceProblems = ({
  restoreDrillUrl,
  restoreDrillBackup,
  restoreDrillKeyFile,
}: SettingsOf<typeof complianceSettings>): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (restoreDrillBackup === undefined && restoreDrillKeyFile === undefined) return;
    for (const [env, value] of [
      ['RESTORE_DRILL_URL', restoreDrillUrl],
      ['RESTORE_DRILL_BACKUP', restoreDrillBackup],
      ['RESTORE_DRILL_KEY_FILE', restoreDrillKeyFile],
    ] as const)
      if (value === undefined)
        refuse(
          env,
          'is not set while a kept backup is to be rehearsed',
          'set all three RESTORE_DRILL_…, or the URL alone',
        );
  });
