import { defineSettings } from '../define/setting.ts';
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
    use: 'PostgreSQL server on which a restore is rehearsed once a week: a login that may create databases and roles, and any database of the server. The databases of a rehearsal are named sallyport_drill_… and dropped afterwards. Unset: no rehearsal, and the compliance control restore-drill fails.',
    secret: true,
  },
});
