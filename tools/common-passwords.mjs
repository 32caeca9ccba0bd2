// Rebuilds services/platform/passwords/common-passwords.txt.br: common passwords of at least twelve characters.
// The words and patterns below are our own compilation and contain no other list, so they ship under our
// licence. Run: node tools/common-passwords.mjs
import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

export const TARGET = new URL('../services/platform/passwords/common-passwords.txt.br', import.meta.url);
/** Minimum length: twelve with the one or two punctuation marks at the end that a lookup ignores. */
const CHARACTERS_MIN = 10;
const CHARACTERS_MAX = 64;

const split = (/** @type {string} */ text) => text.trim().split(/\s+/);

/** Words on which passwords are based. */
const WORDS = split(`
  password passwort passwords passphrase mypassword motdepasse contrasena senha parola wachtwoord heslo haslo salasana
  pass passwd passcode secret topsecret mysecret private access login logmein letmein welcome welcomeback willkommen
  hello helloworld goodbye hola bonjour admin administrator sysadmin superadmin root superuser system server network
  computer internet windows windowsxp microsoft google facebook youtube instagram twitter linkedin gmail yahoo hotmail
  outlook amazon netflix spotify android iphone samsung apple macbook linux ubuntu oracle mysql postgres mongodb redis
  docker github default changeme changeit changethis temporary temp guest user username tester testing test test123
  demo example sample student teacher school college university company business office manager service support
  database backup security secure master monkey dragon shadow sunshine princess football baseball basketball soccer
  hockey tennis golf superman batman spiderman ironman pokemon pikachu naruto starwars skywalker matrix startrek
  harrypotter hogwarts gandalf frodo disney mickey minecraft fortnite roblox playstation nintendo xbox warcraft
  counterstrike callofduty ferrari porsche mercedes corvette mustang toyota honda nissan yamaha kawasaki harley
  iloveyou iloveu loveyou ihateyou loveme lovely lover forever whatever nothing everything something trustno1 freedom
  liberty america american england ireland scotland france germany deutschland canada mexico brazil brasil australia
  india indonesia pakistan russia ukraine poland spain espana italia portugal nederland london paris berlin chicago
  boston dallas houston newyork california texas florida vegas miami arsenal chelsea liverpool everton manchester
  barcelona realmadrid juventus bayern cowboys steelers packers yankees lakers eagles broncos
  michael michelle jennifer jessica jonathan christopher christian christina matthew anthony daniel david andrew
  joshua nicholas nicole amanda ashley samantha elizabeth katherine stephanie victoria alexander alexandra alejandro
  francisco fernando gabriel sebastian benjamin jordan taylor thomas robert richard william charles charlie george
  jackson justin brandon patrick natasha natalie vanessa melissa rebecca rachel hannah maria martina carolina daniela
  andrea angela angel angels babygirl princesa chocolate butterfly flower summer winter autumn spring monday friday
  january february march april june july august september october november december
  purple orange yellow silver golden diamond crystal rainbow cookie cheese banana pepper ginger peanut snoopy buster
  tigger tiger tigers lions eagle falcon phoenix panther wizard hunter killer ninja pirate soldier warrior legend
  jesus jesuschrist heaven god blessed bismillah allah krishna ganesha
  qwerty qwertz azerty qwertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm qazwsx qazxsw 1qaz2wsx zaq12wsx 1q2w3e4r q1w2e3r4
  abc123 abcd1234 abcdef abcdefgh abcabc aaaaaa 123qwe qwe123 asd123 zxc123 qweasd qweasdzxc asdzxc poiuytrewq
  fuckyou fuckoff bullshit asshole sexy hottie money bitcoin million success winner champion number1 family mother
  father brother sister daughter children friends friend bestfriend sweetheart honey darling beautiful gorgeous
  music guitar metallica nirvana eminem beatles blink182 slipknot rockstar dancer cowboy bigboy bigdaddy
  alpha omega delta bravo tango foxtrot sierra zulu apollo hercules zeus athena mercury jupiter saturn
  covid covid19 corona vaccine quarantine lockdown
`);

/** Suffixes appended to a word. */
const NUMBERS = split(`
  1 2 3 4 5 6 7 8 9 0 00 01 07 10 11 12 13 21 22 23 33 42 44 55 66 69 77 88 99 000 007 100 101 111 121 123 222 234 321
  333 404 420 444 456 555 666 777 789 888 911 987 999 1000 1111 1212 1122 1221 1234 1313 1337 2222 2580 3333 4321 4444
  5555 5678 6666 6789 7777 8888 9876 9999 0000 11111 12321 12345 54321 55555 77777 88888 99999 00000 111111 112233
  121212 123123 123321 123456 654321 666666 777777 888888 987654 999999 000000 1111111 1234567 7654321 11111111
  11223344 12341234 12345678 87654321 111111111 123123123 123456789 987654321 0123456789 1234567890 0987654321
`);
const YEARS = Array.from({ length: 2031 - 1975 }, (_, index) => String(1975 + index));
const LETTER_TAILS = ['abc', 'abcd', 'qwerty', 'xyz', 'aaa', 'me', 'us'];

/** Every run of ten or more characters of one of these is a keyboard walk, or a part of the alphabet or the digits. */
const WALKS = split(`
  12345678901234567890123456789012 09876543210987654321098765432109 01234567890123456789012345678901
  abcdefghijklmnopqrstuvwxyzabcdefghijkl zyxwvutsrqponmlkjihgfedcbazyxwvu
  abcdefghijklmnopqrstuvwxyz1234567890 abcdefghijklmnopqrstuvwxyz0123456789 1234567890abcdefghijklmnopqrstuvwxyz
  qwertyuiopasdfghjklzxcvbnm qwertyuiop1234567890 1234567890qwertyuiop qwertyuiop[]asdfghjkl;'zxcvbnm,./
  qwertzuiopasdfghjklyxcvbnm azertyuiopqsdfghjklmwxcvbn poiuytrewqlkjhgfdsamnbvcxz mnbvcxzlkjhgfdsapoiuytrewq
  asdfghjklzxcvbnm asdfghjkl123456789 zxcvbnm1234567890 zxcvbnm,./asdfghjkl;' asdfghjklqwertyuiop
  zxcvbnmasdfghjklqwertyuiop asdfghasdfghasdfgh zxcvbnzxcvbnzxcvbn qwertyqwertyqwerty
  1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/ zaq1xsw2cde3vfr4bgt5nhy6mju7 qazwsxedcrfvtgbyhnujmikolp
  zaqxswcdevfrbgtnhymju zaq12wsxcde34rfvbgt56yhn 1qazxsw23edcvfr45tgbnhy6 !qaz2wsx#edc4rfv !qaz@wsx#edc$rfv
  1q2w3e4r5t6y7u8i9o0p 1qaz1qaz1qaz1qaz q1w2e3r4t5y6u7i8o9p0 0p9o8i7u6y5t4r3e2w1q a1s2d3f4g5h6j7k8l9 z1x2c3v4b5n6m7
  1a2b3c4d5e6f7g8h9i0j a1b2c3d4e5f6g7h8i9j0 1a2s3d4f5g6h7j8k9l aabbccddeeffgghhii 112233445566778899 11112222333344445555
  qqwweerrttyyuuiioopp aassddffgghhjjkkll 147258369147258369 159357159357159357 147852369147852369 741852963741852963
  123654789123654789 1234qwerasdfzxcv qwerasdfzxcv1234 123qweasdzxc123 qweasdzxcqweasdzxc qwe123asd456zxc789
  123qweasdzxcrtyfghvbn asdqwe123asdqwe123 wasdwasdwasdwasd 1029384756102938 13579246801357 2468013579246801
  314159265358979323846264 27182818284590452353 11235813213455 !@#$%^&*()_+!@#$%^&*() )(*&^%$#@!
`);

/** Units that are repeated. */
const UNITS = split(`
  12 123 1234 12345 123456 21 321 4321 01 012 10 100 11 69 69420 007 777 abc abcd ab asd asdf qwe qwer qwerty zxc zxcv
  ha haha la lala lol lmao xo xoxo love test pass password admin root qaz wsx 1qaz 1q2w q1w2 aa aaa 1a a1 a1b2 abc123
  hello secret monkey dragon letmein iloveyou welcome changeme default qwerty123 password1 temp guest user
  asdf1234 qwer1234 zxcv1234 1234asdf 1234qwer 987654 9876543 98765432 987654321 0987654321 147258 147852 159753
`);

/** Single words of a dictionary that are long enough by themselves. */
const LONG_WORDS = split(`
  unbelievable international relationship relationships understanding administration congratulations entertainment
  independence championship championships professional communication communications organization organisation
  architecture strawberries motherfucker motherfuckers philadelphia massachusetts jacksonville indianapolis
  pennsylvania mississippi northcarolina southcarolina saintpetersburg johannesburg constantinople czechoslovakia
  newcastleunited manchestercity tottenhamhotspur borussiadortmund atleticomadrid bayernmunich bayernmunchen
  beautifulgirl beautifulday beautifullife wonderfulday wonderfullife thunderstorm thunderstruck thunderbirds
  intelligence intelligent independent imagination inspiration motivation determination transformation information
  technology technologies engineering engineeringstudent electricity electronics photographer photographic
  refrigerator grandparents grandmother grandfather granddaughter stepbrother stepsister motherinlaw fatherinlaw
  neverforget neverlookback extraordinary revolutionary revolutionist constitution contribution distribution
  resurrection christianity catholicchurch jehovahwitness hallelujah archangelmichael guardianangel
  sergeantpepper bohemianrhapsody smellsliketeenspirit stairwaytoheaven californication thefastandthefurious
  supernatural supercalifragilisticexpialidocious superstarsuper superintendent heartbreaker heartbreakers
  kindergarten schmetterling weihnachten liebeskummer donaudampfschiff schokolade sonnenschein sonnenblume
  felicidades contrasenas enamoradosiempre teamoporsiempre tequieromucho mifamilia jetaimebeaucoup anticonstitutionnellement
  psychology psychologist veterinarian accountant accountability applications application performance performances
  construction constructions headquarters headmaster snowboarding skateboarding skateboarder weightlifting
  wintersport bodybuilding bodybuilder cheerleader cheerleading cheerleaders gymnastics basketballplayer footballplayer
  butterflies hummingbirds hippopotamus rhinoceros tyrannosaurus velociraptor chihuahua rottweiler germanshepherd
  goldenretriever dragonslayer dragonballz dragonballgt finalfantasy metalgearsolid assassinscreed grandtheftauto
  leagueoflegends worldofwarcraft counterstrike residentevil streetfighter mortalkombat princeofpersia
  neverwinternights harleydavidson lamborghini volkswagen mercedesbenz rollsroyce astonmartin alfaromeo whatthefuck whatthehell
`);

/** Phrases written as one word, also with a number or punctuation mark at the end. */
const PHRASES = split(`
  iloveyouforever iloveyousomuch iloveyoubaby iloveyoumore iloveyoutoo iloveyou4ever iloveyou3000 iloveyouall
  ilovemyself ilovemyfamily ilovemymom ilovemydad ilovemywife ilovemydog ilovemycat ilovemylife ilovejesus ilovegod
  ilovemusic ilovemoney ilovesoccer ilovefootball iloveicecream ihateyousomuch ihatepasswords ihatemylife ihatethis
  letmeinplease letmeinnow pleaseletmein letmeinside openthedoor opensesame changemeplease changemenow pleasechangeme
  changethispassword changeyourpassword enteryourpassword yourpassword thepassword newpassword oldpassword nopassword
  mypasswordis mypasswordisgood thisismypassword thisisapassword thisisthepassword thisispassword mynewpassword
  forgotpassword iforgotmypassword iforgotit idontknow idontcare idontremember passwordispassword notapassword
  strongpassword securepassword supersecret supersecretpassword verysecret topsecretpassword secretpassword testpassword
  userpassword adminpassword rootpassword adminadmin adminroot rootadmin rootroot administratorpassword defaultpassword
  temppassword temporarypassword guestpassword demopassword samplepassword examplepassword companypassword
  correcthorsebatterystaple correcthorse batterystaple hunter2hunter2 trustnoone trustno1ever neversaynever
  nevergiveup believeinyourself believeinmyself onedayatatime carpediem hakunamatata livelaughlove lifeisgood
  lifeisbeautiful liveyourlife justdoit youonlyliveonce yolo4life bestfriendsforever friendsforever foreverandever
  forevernalways foreveralone happybirthday happynewyear merrychristmas happyfamily happiness123 mynameisjohn
  mynameisdavid whatsyourname whoareyou wheresmycar howareyou goodmorning goodnight thankyou thankyouverymuch
  thankyoujesus jesusislord jesusismylord jesuslovesme jesussaves godisgood godislove godisgreat godblessme
  godblessyou godblessamerica inGodwetrust praisethelord hailmary ourfather
  maytheforcebewithyou lukeskywalker darthvader princessleia millenniumfalcon harrypotter1 youshallnotpass
  winteriscoming gameofthrones lordoftherings thelordoftherings mylittlepony spongebob hellokitty hellokitty123
  babyblue babygirl123 babyboy123 sweetiepie sweetheart1 cutiepie teddybear pussycat chocolatecake chocolatechip
  bubblegum strawberry watermelon pineapple peanutbutter icecream marshmallow butterfly1 ladybug dragonfly
  basketball1 football123 manchesterunited realmadrid1 fcbarcelona liverpoolfc chelseafc arsenalfc westhamunited
  dallascowboys newyorkyankees losangeles sanfrancisco sandiego lasvegas newyorkcity unitedstates unitedkingdom
  springsummer summertime summer2024 winterwonderland rockandroll rocknroll linkinpark avengedsevenfold ledzeppelin
  pinkfloyd guitarhero slimshady michaeljordan michaeljackson cristianoronaldo lionelmessi kobebryant lebronjames
  donaldtrump barackobama elonmusk billgates stevejobs alberteinstein abrahamlincoln
  abcdefghijkl1 qwertyuiop[] asdfghjkl;' zxcvbnm,./ blahblahblah yadayadayada lalalalalala hahahahahaha hehehehehehe
  onetwothree onetwothreefour onetwothreefourfive firstname lastname firstlast computer1 internet1 microsoft1
  passw0rdpassw0rd p4ssw0rdp4ssw0rd qwerty12345678 a1b2c3d4e5f6 1password1 123password 1234password 12345password
  123456password 123456789password password123password qwertypassword passwordqwerty
`).map((phrase) => phrase.toLowerCase());

/** Every password, sorted, without duplicates. @returns {string[]} */
export function allPasswords() {
  const found = new Set();
  const add = (/** @type {string} */ text) => {
    if (text.length >= CHARACTERS_MIN && text.length <= CHARACTERS_MAX) found.add(text.toLowerCase());
  };
  const tails = ['', ...NUMBERS, ...YEARS];
  for (const word of [...WORDS, ...PHRASES]) {
    for (const tail of tails) add(word + tail);
    for (const tail of LETTER_TAILS) add(word + tail);
    for (const number of NUMBERS.filter((digits) => digits.length >= 3)) add(number + word);
  }
  for (const word of LONG_WORDS)
    for (const tail of ['', ...NUMBERS.filter((digits) => digits.length <= 4)]) add(word + tail);
  for (const word of WORDS) {
    for (const tail of ['', '1', '12', '123', '1234']) add(word + word + tail);
    add([...word].reverse().join('').repeat(2));
    for (const mark of ['-', '_', '.', '@', '#'])
      for (const number of ['123', '1234', '12345', '123456', '2023', '2024', '2025', '2026'])
        add(word + mark + number);
  }
  for (const walk of WALKS)
    for (let from = 0; from + CHARACTERS_MIN <= walk.length; from += 1)
      for (let to = from + CHARACTERS_MIN; to <= walk.length; to += 1) add(walk.slice(from, to));
  for (const unit of [...UNITS, ...'abcdefghijklmnopqrstuvwxyz0123456789 .-_!*@#'])
    for (let length = CHARACTERS_MIN; length <= 20; length += 1) {
      const repeated = unit.repeat(Math.ceil(length / unit.length));
      add(repeated.slice(0, length));
      add(repeated);
    }
  return [...found].sort();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const all = allPasswords();
  const packed = brotliCompressSync(`${all.join('\n')}\n`, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  writeFileSync(TARGET, packed);
  process.stdout.write(`${all.length} passwords, ${packed.length} bytes: ${fileURLToPath(TARGET)}\n`);
}
