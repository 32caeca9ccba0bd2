/**
 * Latitude and longitude of the middle of a country in degrees, and the distance in km from there within which its people
 * live: enough to say that two countries are too far apart, and rounded so that it is never said wrongly.
 */
const COUNTRIES = `
AD 42.5 1.6 30|AE 24 54 350|AF 33.9 67.7 700|AG 17.1 -61.8 50|AI 18.2 -63.1 30|AL 41.1 20 200|AM 40.1 45 200|AO -12.3 17.5 900
AR -35 -65 2300|AS -14.3 -170.7 100|AT 47.6 14.1 350|AU -25.7 134.5 2500|AW 12.5 -70 30|AX 60.2 20 60|AZ 40.3 47.7 300
BA 44.2 17.8 220|BB 13.2 -59.6 30|BD 24 90.2 400|BE 50.6 4.6 180|BF 12.3 -1.7 500|BG 42.8 25.2 320|BH 26 50.5 40|BI -3.4 29.9 160
BJ 9.6 2.3 400|BL 17.9 -62.8 20|BM 32.3 -64.8 30|BN 4.5 114.7 100|BO -16.7 -64.7 900|BQ 12.2 -68.3 900|BR -10.8 -53.1 2700
BS 24.3 -76.6 500|BT 27.4 90.4 200|BW -22.2 23.8 650|BY 53.5 28 380|BZ 17.2 -88.7 170|CA 58 -98 3700|CC -12.2 96.8 40
CD -2.9 23.7 1400|CF 6.6 20.5 800|CG -0.8 15.2 700|CH 46.8 8.2 230|CI 7.6 -5.6 450|CK -21.2 -159.8 700|CL -37.7 -71.4 2300
CM 5.7 12.7 800|CN 36.6 103.8 2900|CO 3.9 -73.1 1100|CR 10 -84.2 300|CU 21.6 -79 650|CV 16 -24 200|CW 12.2 -69 50|CX -10.4 105.6 30
CY 35 33.2 150|CZ 49.8 15.3 300|DE 51.1 10.4 480|DJ 11.7 42.6 130|DK 56 10 300|DM 15.4 -61.4 40|DO 18.9 -70.5 250|DZ 28.2 2.6 1200
EC -1.4 -78.8 1300|EE 58.7 25.5 220|EG 26.5 29.9 800|ER 15.4 38.8 500|ES 40.2 -3.6 2000|ET 8.6 39.6 800|FI 64.5 26.3 700
FJ -17.8 178 500|FK -51.7 -59.4 200|FM 6.9 158.2 1500|FO 62 -6.9 80|FR 46.6 2.5 750|GA -0.6 11.8 400|GB 54.1 -2.9 700|GD 12.1 -61.7 40
GE 42.2 43.5 320|GF 3.9 -53.2 300|GG 49.5 -2.6 40|GH 7.9 -1.2 450|GI 36.1 -5.3 20|GL 68 -45 1700|GM 13.4 -15.4 250|GN 10.4 -10.9 500
GP 16.2 -61.6 80|GQ 1.7 10.3 400|GR 39.1 23 600|GT 15.7 -90.4 300|GU 13.4 144.8 40|GW 12 -14.9 220|GY 4.8 -58.9 450|HK 22.4 114.1 60
HN 14.8 -86.6 400|HR 45.1 16.4 300|HT 18.9 -72.7 200|HU 47.2 19.4 300|ID -2.2 117.3 2700|IE 53.2 -8.1 300|IL 31.5 35 280|IM 54.2 -4.5 40
IN 22.9 79.6 1800|IO -7.3 72.4 200|IQ 33 43.7 550|IR 32.6 54.3 1200|IS 65 -18.6 300|IT 42.8 12.1 750|JE 49.2 -2.1 30|JM 18.2 -77.3 150
JO 31.2 36.8 300|JP 37.6 138 1700|KE 0.6 37.8 650|KG 41.5 74.6 520|KH 12.7 104.9 330|KI 0.9 -157 3500|KM -11.9 43.7 150|KN 17.3 -62.7 40
KP 40.2 127.2 400|KR 36.4 127.8 350|KW 29.3 47.6 140|KY 19.4 -81 200|KZ 48.2 67.3 1700|LA 18.5 103.8 600|LB 33.9 35.9 130|LC 13.9 -61 40
LI 47.1 9.5 30|LK 7.6 80.7 280|LR 6.5 -9.3 330|LS -29.6 28.2 160|LT 55.3 23.9 250|LU 49.8 6.1 60|LV 56.9 24.9 270|LY 27 18 1000
MA 29.8 -8.5 1000|MC 43.7 7.4 20|MD 47.2 28.5 220|ME 42.8 19.2 130|MF 18.1 -63.1 20|MG -19.4 46.7 850|MH 7 170 700|MK 41.6 21.7 130
ML 17.3 -3.5 1000|MM 21.2 96.5 1200|MN 46.8 103.1 1200|MO 22.2 113.5 20|MP 15.8 145.6 400|MQ 14.7 -61 50|MR 20.3 -10.3 900|MS 16.7 -62.2 20
MT 35.9 14.4 40|MU -20.3 57.6 600|MV 3.7 73.2 500|MW -13.2 34.3 500|MX 23.9 -102.5 1900|MY 3.8 109.7 1100|MZ -17.3 35.5 1200|NA -22.1 17.2 900
NC -21.3 165.7 300|NE 17.4 9.4 900|NF -29 168 20|NG 9.6 8.1 700|NI 12.8 -85 320|NL 52.1 5.3 220|NO 64.5 13 1200|NP 28.2 83.9 480|NR -0.5 166.9 20
NU -19.1 -169.9 30|NZ -41.8 171.5 1000|OM 20.6 56.1 650|PA 8.5 -80.1 400|PE -9.2 -74.4 1200|PF -17.7 -149.4 1500|PG -6.5 145.2 1100
PH 11.8 122.9 1000|PK 29.9 69.3 1000|PL 52.1 19.4 420|PM 46.9 -56.3 40|PR 18.2 -66.5 110|PS 31.9 35.2 100|PT 39.6 -8.5 1700|PW 7.3 134.4 400
PY -23.2 -58.4 550|QA 25.3 51.2 110|RE -21.1 55.5 50|RO 45.9 25 420|RS 44.2 20.8 300|RU 61.9 96.7 4600|RW -2 29.9 140|SA 24.1 44.5 1200
SB -8.9 159.6 800|SC -4.7 55.5 1200|SD 16 30 1100|SE 62.8 16.7 900|SG 1.4 103.8 40|SH -16 -5.7 2500|SI 46.1 14.8 160|SJ 78 17 500
SK 48.7 19.5 250|SL 8.6 -11.8 220|SM 43.9 12.5 20|SN 14.4 -14.5 400|SO 4.8 45.7 1000|SR 4.1 -55.9 320|SS 7.3 30.2 650|ST 0.4 6.7 120
SV 13.7 -88.9 150|SX 18.1 -63.1 20|SY 35 38.5 450|SZ -26.6 31.5 110|TC 21.8 -71.8 100|TD 15.3 18.6 1000|TG 8.5 1 330|TH 15.1 101 900
TJ 38.5 71 400|TK -9.2 -171.8 120|TL -8.8 125.9 180|TM 39.1 59.4 700|TN 34.1 9.6 450|TO -20.4 -174.8 500|TR 39.1 35.2 900|TT 10.5 -61.3 100
TV -7.5 178.5 500|TW 23.8 121 250|TZ -6.3 34.8 750|UA 49 31.4 750|UG 1.3 32.4 400|US 45 -104 5600|UY -32.8 -56 350|UZ 41.8 63.1 800
VA 41.9 12.5 20|VC 13.2 -61.2 70|VE 7.1 -66.2 900|VG 18.4 -64.5 60|VI 18 -64.8 70|VN 16.6 106.3 950|VU -16.2 167.7 500|WF -13.9 -177.3 200
WS -13.8 -172.2 100|XK 42.6 20.9 100|YE 15.9 47.6 700|YT -12.8 45.1 40|ZA -29 25.1 900|ZM -13.5 27.8 900|ZW -19 29.9 500`;

type Place = { readonly latitude: number; readonly longitude: number; readonly reachKm: number };

const places: ReadonlyMap<string, Place> = new Map(
  COUNTRIES.trim()
    .split(/[|\n]/)
    .map((line) => {
      const [code = '', latitude, longitude, reachKm] = line.split(' ');
      return [code, { latitude: Number(latitude), longitude: Number(longitude), reachKm: Number(reachKm) }];
    }),
);

const EARTH_RADIUS_KM = 6_371;
const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Least distance in km that people in two countries can have; 0 for neighbours. Undefined if either is not in the table. */
export function leastDistanceKm(one: string, other: string): number | undefined {
  const [from, to] = [places.get(one), places.get(other)];
  if (from === undefined || to === undefined) return undefined;
  if (one === other) return 0;
  const [a, b] = [radians(from.latitude), radians(to.latitude)];
  const haversine =
    Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(radians(to.longitude - from.longitude) / 2) ** 2;
  const between = 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(haversine));
  return Math.max(0, between - from.reachKm - to.reachKm);
}
