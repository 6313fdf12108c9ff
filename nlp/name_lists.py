"""Words that decide whether a capitalised word is a person, a street or neither."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text that lists them between spaces."""
    return frozenset(text.split())


# Names that are everyday words too: alone they count only with a capital inside a sentence.
AMBIGUOUS_NAMES = word_set("""
    вера надежда любовь слава роза лев роман мир света майя май марта март август августа лука
    лилия рая рад раш рим рома герман ада ая вели дан даня дана джем дружба злата искра
    каролина лада ласка лен макс мила мира муза нана ника ной нона нора пол поля рой сам том
    тома тим урал феня флора эльба эльбрус ян яна яр ярослав радость победа рок лиана заря
    ангел гера роме юг ким кир мая ил али аман алмаз алтай султан тихон тиша олимп октябрь
    октябрина коля поль лола луна лея ева марк марка марке марки марку клим карен карп ия люба
    любой любу любе родя тёма тема тем мари will mark rose grace may faith hope joy bill rob
    art dean guy pat sue june april dawn amber chase grant miles drew summer autumn ruby jade
    ivy holly iris olive penny jack frank max viola daisy lily victor
    """)

# Capitalised words that look like names to a dictionary and are none.
NEVER_NAMES = word_set("""
    здравствуйте добрый доброе день вечер утро спасибо пожалуйста уважаемый уважаемая
    уважаемые россия российский россии рф пермь перми пермский курск курска курской курская
    челябинск тамбов псков самара самары тольятти сызрань магнитогорск златоуст миасс
    биробиджан москва москвы екатеринбург березники соликамск чайковский чайковского кунгур
    лысьва краснокамск добрянка госуслуги госуслугах яндекс вконтакте ватсап сбер сбербанк
    сбербанка почта аптека школа ук жкх тко мфц снт днт тсж тсн ао ооо оао пао зао ип фио
    гибдд дпс мчс цгб гкб црб фап дк дс ковид covid спутник бог боже господи господь аллах
    христос пасха крым донбасс сво мама папа бабушка дедушка сестра брат я мы вы он она они
    ваш наш мой моя всем всё январь февраль апрель июнь июль сентябрь ноябрь декабрь
    понедельник вторник среда четверг пятница суббота воскресенье новотранс теплоэнерго
    водоканал водоканала губернатор министр краевой областной городской район района районе
    микрорайон поселок посёлок село деревня солнечный южный северный новый новая старый
    центральный центральная первый советский советская ленинский октябрьский кировский центр
    хабаровск европа азия интернет лада газель паз нива камаз урал кама волга дон сура цна
    миасс пушкинская ленина мира победы гагарина лор лора лору лором лоры жильцов очень совета
    администрация администрации омикрон эпилепсия ковида ковиду ковидом черти якобы цветы угол
    неотложка фролы анон аж ден мило ещё еще уже там тут так как где что кто если или это эта
    этот эти при про для над под без the this that there here please hello dear street road
    lane avenue close way park house london council thank thanks since could would should can
    have has our your my and but not not with from lewisham catford sydenham deptford brockley
    blackheath monday tuesday wednesday thursday friday saturday sunday january february march
    july august september october november december
    """)

STREET_MARKERS = word_set("""
    ул улица улице улицы улицу улицей пр пр-т пр-кт прт проспект пер переулок пл площадь б-р
    бульвар наб набережная ш шоссе проезд тупик мкр мкрн мкр-н микрорайон квартал кв-л парк
    сквер сад остановка ост станция метро посёлок поселок пос пгт рп село с деревня д город г
    гор п ст-ца станица хутор х район р-н область край республика имени им кинотеатр театр
    памятник бюст мост дворец аллея тракт спуск дамба просп перекресток перекрёсток
    пересечение угол углу street road lane avenue библиотека стадион музей шахта рудник колхоз
    совхоз разъезд мыс озеро река
    """)
CITY_MARKERS = word_set("г с д п х ш")
STREET_AFTER = word_set("""
    улица проспект переулок площадь бульвар шоссе тракт набережная сквер парк аллея тупик мост
    микрорайон район область край округ кладбище ул р-н мкр
    """)
RANKS = word_set("""
    академика генерала маршала адмирала космонавта космонавтов героя героев полковника
    капитана лейтенанта майора сержанта матроса летчика лётчика писателя поэта доктора
    профессора инженера композитора художника архитектора комиссара командарма комбрига
    революционера партизана братьев сестёр сестер святого святой князя царя патриарха
    архиепископа танкиста снайпера конструктора фельдшера врача учителя народного красного
    старого большая малая
    """)
EPONYMS = word_set("""
    ленина гагарина пушкина пушкинской горького маяковского свердлова кирова куйбышева чкалова
    калинина крупской маркса энгельса дзержинского фрунзе чапаева щорса жукова суворова
    кутузова лермонтова гоголя толстого чехова некрасова тургенева островского белинского
    добролюбова чернышевского герцена радищева ломоносова менделеева попова мичурина
    тимирязева циолковского королёва королева терешковой титова комарова матросова
    космодемьянской кошевого гайдара бажова крылова грибоедова есенина шевченко тельмана
    люксембург либкнехта цеткин луначарского орджоникидзе урицкого володарского баумана
    халтурина желябова перовской разина пугачева пугачёва ермака невского донского
    рокоссовского конева ватутина панфилова покрышкина карбышева павлова сеченова пирогова
    бутлерова вавилова курчатова туполева макаренко ушинского репина сурикова левитана шишкина
    чайковского глинки мусоргского рахманинова блюхера тухачевского буденного будённого
    ворошилова котовского лазо фурманова фадеева шолохова ульяновых плеханова красина осипенко
    уральской советской гастелло мира победы
    """)
# Of these also many of today's surnames: alone they are a street only where an address stands.
WEAK_EPONYMS = word_set("""
    попова павлова морозова крылова комарова титова королева королёва жукова калинина
    некрасова шишкина сурикова вавилова конева панфилова суворова кутузова мичурина тургенева
    чехова пирогова сеченова красина лермонтова островского толстого разина желябова
    """)
_EPONYM_PAIRS = """
    карла маркса, карла либкнехта, розы люксембург, максима горького, клары цеткин, глеба
    успенского, емельяна ярославского, юрия гагарина, павлика морозова, зои космодемьянской,
    лизы чайкиной, олега кошевого, александра матросова, николая островского, льва толстого,
    сергея есенина, богдана хмельницкого, дмитрия донского, александра невского, мусы джалиля,
    александра пушкина, степана разина, емельяна пугачева, емельяна пугачёва, аркадия гайдара,
    веры фигнер, софьи перовской, серго орджоникидзе, ивана франко, тараса шевченко, василия
    чапаева, сергея лазо, николая щорса, льва шатрова, веры засулич, карла модераха
    """
EPONYM_PAIRS = frozenset(tuple(pair.split()) for pair in _EPONYM_PAIRS.split(","))
PLACE_PREPOSITIONS = word_set(
    "на по с от до у около возле рядом вдоль вблизи через между напротив за угол и"
)
COMPLAINT_WORDS = word_set("""
    жалоба жаловаться пожаловаться управа заявление обращение иск обида надежда надеяться
    рассчитывать подать написать злой повлиять кричать наорать нападение клевета обижаться
    дело оформить оформлен зарегистрировать записать записан ссылаться похожий смотреть
    """)

# A weak cue is followed by a name only when the next word can be one.
NOT_INITIALS = word_set("""
    ип ук ао дк дс тц жк мо гп сп тп фз рф пк жд оп тк гк мп го рп ту му зп лс ту мк кп ос св
    ту чс ну да не на ни то по за из до от об со во ко ой ох ах эх бы же ли он мы вы ты их её
    ее
    """)
CUES = word_set("""
    врач доктор терапевт педиатр хирург онколог кардиолог невролог гинеколог стоматолог
    окулист эндокринолог фельдшер медсестра медбрат главврач заведующий заведующая директор
    директриса завуч учитель учительница воспитатель воспитательница преподаватель тренер
    педагог глава губернатор министр депутат мэр участковый инспектор мастер начальник
    начальница председатель секретарь староста специалист сотрудник сотрудница менеджер
    инженер диспетчер оператор водитель кондуктор сосед соседка сосед жилец гражданин
    гражданка господин госпожа товарищ г-н г-жа гр семья муж жена сын дочь мать отец мама папа
    бабушка дедушка брат сестра тётя тетя дядя внук внучка свекровь тёща теща пенсионер
    пенсионерка инвалид ветеран собственник собственница хозяин хозяйка арендатор заместитель
    зам замглавы помощник президент предприниматель чиновник чиновница руководитель начмед
    юрист адвокат судья прокурор следователь житель жительница ребенок ребёнок мальчик девочка
    ученик ученица студент студентка пациент пациентка больной больная паспортистка бухгалтер
    дворник уборщица консьерж слесарь сантехник электрик автор заявитель заявительница ответ
    уважаемый уважаемая дорогой дорогая
    """)
STRONG_CUES = word_set(
    "зовут зовет фамилия фио ф.и.о ип имя фамилию фамилией отчество уважением подпись"
)
SIGNATURE_CUE = "уважением"
ENGLISH_CUES = word_set("mr mrs ms dr regards sincerely cheers yours name")

LATIN_NAMES = word_set("""
    aleksandr aleksandra alexander alexandra alexandr aleksei aleksey alexey alexei alla alina
    alisa alena anastasia anastasiya anatoly anatoliy andrei andrey anna anton arkady arkadiy
    artem artyom boris daniil daria darya denis dmitri dmitriy dmitry dima ekaterina elena
    elizaveta evgeni evgeny evgeniy evgenia evgeniya fedor galina gennady gennadiy georgy
    grigory igor ilya inna irina ivan katya kirill konstantin ksenia ksenya larisa leonid
    lyubov ludmila lyudmila maksim maxim margarita marina maria mariya masha mikhail misha
    nadezhda natalia natalya natasha nikita nikolai nikolay nina oksana oleg olga olya pavel
    petr pyotr polina roman rustam ruslan sasha sergei sergey seryozha sofia stanislav stepan
    svetlana sveta tamara tatiana tatyana tanya timur vadim valentina valery valeriy vasily
    vasiliy vera veronika viktor viktoria victoria vitaly vitaliy vladimir vladislav
    vyacheslav yana yaroslav yegor egor yulia yuliya julia yuri yuriy yury zhanna zinaida zoya
    john james david michael robert william richard thomas charles daniel matthew anthony paul
    steven stephen andrew kenneth george kevin brian edward ronald timothy jason jeffrey ryan
    jacob gary nicholas eric jonathan larry justin scott brandon benjamin samuel gregory
    patrick peter simon mary patricia jennifer linda elizabeth barbara susan jessica sarah
    karen nancy lisa margaret betty sandra ashley dorothy kimberly emily donna michelle amanda
    melissa deborah stephanie rebecca laura helen sharon cynthia kathleen amy shirley angela
    anne ruth brenda pamela nicole katherine samantha christine emma catherine debra rachel
    janet carolyn heather diane julie joyce joan alice hannah jane claire louise fiona alan
    ian colin graham nigel keith derek martin adam luke oliver harry charlotte sophie lucy
    chloe jackie tracey tracy gemma kelly mohammed ahmed ali fatima
    """)
