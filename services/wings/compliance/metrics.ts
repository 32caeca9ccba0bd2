import { defineCounter, defineGauge } from '#observability/metrics/instruments.ts';
import { CONTROL_STATUSES } from './control-shapes.ts';
import { machineControlNames } from './controls/all.ts';

export const controlPasses = defineGauge({
  name: 'sallyport_compliance_control_pass',
  help: '1 while the last check of a control passed, 0 while it failed or contradicted itself. Absent while the control does not apply or is unknown.',
  labels: { control: machineControlNames },
});

export const controlsByStatus = defineGauge({
  name: 'sallyport_compliance_controls',
  help: 'Checked controls by the status of their last check.',
  labels: { status: CONTROL_STATUSES },
});

export const controlCheckAge = defineGauge({
  name: 'sallyport_compliance_check_age_seconds',
  help: 'Time since the control that was checked longest ago was checked.',
});

export const controlChecks = defineCounter({
  name: 'sallyport_compliance_checks',
  help: 'Checks of controls by result.',
  labels: { status: CONTROL_STATUSES },
});
