import { defineAttestation } from '../control.ts';

export const riskAnalysis = defineAttestation({
  name: 'risk-analysis',
  title: 'Risks to electronic health data are analysed',
  clause: '164.308(a)(1)(ii)(A)',
  profile: 'current',
  requirement: 'required',
  statement:
    'We analysed the risks and vulnerabilities of every system that holds electronic health data, this installation included, within the last year.',
  validDays: 365,
  humanDuty: 'Analyse risks, and repeat it when systems change.',
});
