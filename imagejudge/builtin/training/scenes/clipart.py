# ruff: noqa: E501 - tables of names read better on long lines
"""Clip art: drawings that many hands made in as many styles, out of the Open Clip Art Library (public domain).

The library is read from Debian's package of it. Its names tell little of what a drawing shows, and many a drawing comes
on a ground of its own, so the table below was made by looking at each.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

STYLE = "openclipart"
PACKAGE = "openclipart-png"
VERSION = "1:0.18+dfsg-19"
SHA256 = "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02"

_TABLE = """
man: people_juliane_krug_04a people_juliane_krug_04b people_juliane_krug_05a people_juliane_krug_05b people_juliane_krug_06a people_juliane_krug_06b chef_jarno_vasamaa_ adult_astrid_graeber_01 blacksmiti_ganson groom1_jarno_vasamaa_01 head1 head14 head2 head3 head4 head5 head6 man01 man_01 man_02 man_chris_kempson_01 man_face_darek_adamkiewi_01 nonno_sport_architetto_f_01 rich_young_man_going_aw_01 signore_architetto_franc_01 Traslocatore01 Traslocatore02
woman: people_juliane_krug_01a people_juliane_krug_01b people_juliane_krug_01c people_juliane_krug_07a people_juliane_krug_07b ballerina_architetto_fra_01 blue_girl_dirk_struve_ bride1_jarno_vasamaa_01 bussiness_woman_donna_i_01 donna_incinta_architetto_01 happy_woman_dirk_struve_01 head11 head12 head13 signorina_architetto_fra_01 woman01 woman02 woman_01 woman_doctor_gerald_g._01 woman_fashion_01_gerald__01 woman_fashion_02_gerald__01 woman_nurse_gerald_g._01 woman_reading_gerald_g._01 dancer_brice_boyer_01 principessa ragazza_seduta signorina_in_viola signorinacappello signorinafoulard
child: chibi_character_rick_ io_bambina_architetto_fr_01 kid_01 ragazzo
baby: baby_anthony_liekens_01
police officer: police_man_ganson woman_police_01_gerald_g_01 woman_police_02_gerald_g_01
hand: hand_dennis_rutjes_01 left_hand_print_benji_pa_01 right_hand_print_benji_p_01 paper_RPSWB
fist: rock_RPSWB
thumbs up: thumbs_up_nathan_eady_01 thumb_up_nicu_buculei_01
knife: knife
gun: 9_mm_gun_01 ak47_01 blue_gun_alex_fernandez_01 m16_01 m16_02
sword: katana_dudziak_tomek_01 longsword_01 sword_01
bomb: bomb_01
axe: axe_peterm_
flames: fire_valessio_soares_de_ fire-ball_benji_park_01 flame_jon_phillips_01
candle: candela
water: drop_peterm_01
syringe: siringa_architetto_franc_01
mushroom: champignon_01 mushroom mushroom_benji_park_ toadstool_daniel_steele_r
leaf: fall_coloured_leaf_geral_01 fall_coloured_leaf_geral_02 leaf_01 shamrock_for_march_natha_01 shamrock_symbol_jonadab__01 fern_mo_01 foglie_arancioni foglie_marroni foglie_rosse foglie_verdi
lollipop: candy_30 candy_31 lollipop_dave_pena_01
beer: beer beer1
wine: bottiglia_di_vino_pregi_01 wine_glass_christian_h._
cocktail: cocktail_daniel_steele_r martini_glass_k_yager_01
tea: coffee coffe_tea_01 coffee_bw_ganson coffee_ganson cuppa_schwoo_01 kubek_herbaty_-_mug_of__01 tazza_di_caffe_architett_01 teacup_bw teacup_ganson zielony_kubek_herbaty_-_01 cup_rollandin_francesco_
milk: milk_bw milk_ganson
baby bottle: baby_bottle_01 biberon
die: dice two_red_dice_01
playing card: ornamental_h_q ornamental_jk_r ornamental_s_a white_d_k white_jk_b white_c_7 simple_s_a simple_h_10 bordered_s_j bordered_jk_b
skull: skull_charles_mccolm_01 cute_skull_fredrik_holmq_01 skull-and-bones-aj_aj_as_01
robot: saku_robot__anton_yu_01 robot_ganson
alien: alien_peterm_01
dog: dog_01_drawn_with_strai_01 dog_02_drawn_with_strai_01 dog_03_drawn_with_strai_01 dog_04_drawn_with_strai_01 dog_05_drawn_with_strai_01 dog_06_drawn_with_strai_01 dog_on_leash_gerald_g._01 beagle_copper_ganson black_lab_ganson bobi_architetto_francesc_01 bored_dog_01 dog_head_nicu_buculei_01 dog_head_nicu_buculei_02
cat: cartoon_cat_gerald_g._01 gattina_cat_architetto_f_01 gatto_cat_architetto_fra_01 gatto_cat_architetto_fra_02 gatto_cat_architetto_fra_03 gatto_cat_architetto_fra_04 kitten_gerald_g._01 sleeping_cat_rgolan_sup_r
horse: cavallo_architetto_franc_01 cavallo_architetto_franc_02 cavallo_architetto_franc_03 cavallo_architetto_franc_04 cavallo_architetto_franc_05 cavallo_architetto_franc_06 cavallo_architetto_franc_07
pig: a_simple_pig_01 pig_marcelo_caiafa1 porcinet_01 piggybank
monkey: angry_monkey_benji_park_01 contour_baboon happy_monkey_benji_park_01 monkey_head_nicu_buculei_01 sailor_monkey_nicu_bucul_01
rabbit: coniglio_architetto_fran_01 easter_jorkon_01
bird: acquila_architetto_franc_02 baby_tux_01 bird_of_peace_mauro_oliv_01 cormorant-md crow_01 dove_symbol duck_yellow_kurt_cagle_ eagle_01 emperor_penguin_ralf_ste_01 flamand_jean-victor_bali_01 gufo_civetta_architetto__01 gull_marcelo_staudt_01 hen_01 jonathon_s_duck_01 new_penguin_charles_mcco_01 tux_clemente_01 pollo_architetto_frances_01 puffin-md rooster_01 tacchino_architetto_fran_01 uccello_profilo_01_archi_01 rubber_duck1_ganson Anatra Colombo Pinguino1 Pinguino2 Pinguino3 gabbiano_piccolo papera
fish: altum_angelfish_01 arctic_greyling_ganson bofish_massimo_aiello_r brown_fish_01 clown_loach_01 giraffe_cichlid_01 pescetto_arancione_archi_01 yellow_gourami_01 pescetto
spider: ragnetto_incazzato_archi_01 spider
shirt: camicia_in_seta_architet_01 t-shirt_01 t-shirt_02
dress: vestito_rosa
shoe: rollerblades hiking_boot_jarno_vasama_ pattino_architetto_franc_01 tennis_shoe_jarno_vasama_ tennis_shoes_jarno_vasam_ thongs_01
hat: toque_01 adventurer_hat_nicu_bucu_01 aussie_hat_01 baseball_cap_ganson blue_fedora hat_-_clothing_nicu_bucu_01 hat_-_clothing_nicu_bucu_02 hat_-_clothing_nicu_bucu_03 hat_-_clothing_nicu_bucu_04 hat_-_clothing_nicu_bucu_05 hat_01 hat_02 pimp_hat_james_birkett_01 propeller purple_hat_nicu_buculei_01 red_fedora slouch_hat_01 sombrero_dave_pena_01 tophat_benji_park_01 winter_hat_nathan_eady_01
car: sportcar_sergio_luiz_ara_01 blazer_01 hummer_01 hummer_02 hummer_03 skoda_car_alejandro_teja_ 1989_chevrolet_celebrit_01 car
airplane: aircraft_jarno_vasamaa1 aircraft_jarno_vasamaa2 aircraft_jarno_vasamaa3 aircraft_jarno_vasamaa4 aircraft_jarno_vasamaa_ military_airplane_mo_01 plane_silhouet_mo_01
bicycle: bicycle_01 vtt_02
apple: apple_bitten_dan_gerhard_01 an_apple_01 another_apple_01 apple apple_martin_schmidt-li_01r applf cartoon_apple_k_yager_01
banana: banana bananas_nicu_buculei_01
pizza: pizza_4_stagioni_archite_01 pizza_cheese pizza_pepperoni pizza_slice_01 pizza_slice_fco._andrade_01
cake: birthday_cake cake1_jarno_vasamaa_01 cake_etienne_bersac_r gateau_jean_victor_balin_ muffin_jean_victor_balin_ pink_cake_gabrielle_now_r torta_architetto_frances_01
ice cream: cone1_ganson cone2_ganson cone3_ganson cone4_ganson cone_alt1 cone_alt3 cone_alt4 cone_soft_chocolate glace_01_jean-victor_bal_01 glace_2_jean-victor_bali_01 glace_4_jean-victor_bali_01 glace_italienne_jean-vic_01
tree: lightly_decorated_evergreen_01 tree_whit_fruits_01 albero_architetto_france_01 fall_coloured_tree_geral_01 cartoon_tree_01 palmtree_b_r_kessels_ christmas_tree_mo_01 christmas_tree_01 plain_tree_01 simple_evergreen_with_highlights_01 tree tree_02 xmas
flower: sakura_01 daffodil_jonathan_dietri_01 daffodil_susan_park_01 daisy_jonathan_dietrich_01 flower1_juliane_krug_01 flower_02 flower_03 flower_peterm_01 funnyflower_02 geranium_ganson red_flower_01 red_flower_raphael_seban_01 sakura_dave_pena_01 tulips_ganson rosa1 rosa2 rose
sun: sun01 sun_ff77_01 sun_tatiana_coutinho_01
cloud: cloud cloud_jon_phillips_01 w_cloud
star: one_star_rating_saurabh__01
heart: heart heart_highlight_jon_phil_01 heart_jon_phillips_01 heart_left-highlight_jon_01 heart_roberto_u._01 hearth_christoph_brill_01 card_figures_-_heart_01
book: book_01 book_02 closed_bible_01_01 closed_book_01 diary_costea_bogdan_01 old_book_lumen_design_st_01 open_bible_01_01 open_book_nae_02 paperback_book_black_gal_ stack_of_books_01
phone: phone handphone_toh_yen_cheng_01 slim_cell_phone_israel_c_01 cellular_phone_shandy_br_ ip_phone_michael_hart_r mobile mobile_phone_01 phone_handset_gray_einar_01 red_telephone_mimooh_01 telephone_receiver_01
clock: alarm_clock_mike_powers_ analog_clock_jonathan_di_01 analogue_clock_01 clock01 clock05 clock09 clock_michael_breuer_01 modern_clock_chris_kemps_01 orologio_da_parete_archi_01
key: chiave_architetto_france_01 keyring_as_
hammer: wooden_mallot_benji_park_ blacksmith_hammer_ganson construction_hammer_jon__01 hammer_nicu_buculei_01 hammer_peterm1
scissors: scissors scissors_02 scissors_forbici_franc_
pencil: crayon pen_01 pencil_benji_park_01 ballpoint_pen_jonathan_d_01 pen_sek_ pen1
umbrella: umbrella
ball: football_ball_brice_boye_01 handball_ball_brice_boye_01 soccer_ball_ganson soccer_ballon_tanguy_jac_ volley-ball_andrea_bianc_01 volley_ball_angelo_gelmi_01 ball beach_ball_01 beachball_v0.1
teddy bear: simple_teddy_bear_gerald_01 stylized_teddy_bear_gera_01 teddybear_jarno_vasamaa_
balloon: balloon-blue-aj balloon-green-aj balloon-red-aj balloons-aj balloons_01 baloon1_01 baloon1_03 palloncini_architetto_fr_01
gift: pacco_regalo_architetto__01
money: gold_coins_in_a_stack_jo_01
guitar: bass_guitar_a.j._ashton_ electric_guitar_andrea__01r guitar_ganson guitar_jarno_vasamaa1 guitar_jarno_vasamaa2 guitar_profile_philippe__01
smiley: smiley001 smiley007 smiley010 smiley100 smiley101 smiley107 smiley110 smiley112 smiley117 smiley_nicolas_01 smileytwinkle_nicolas_ga_01
crying face: smiley002 smiley006 smiley102 smiley106
other animal: ant bee butterfly_jonathan_dietr_01 fly_01 ladybug_01 lumaca_architetto_france_01 crawfish1_ganson dolphin orca_matthew_gates_r bear_peterm_01 orso_architetto_francesc_01 leone_architetto_frances_01 tigre01_architetto_franc_01 camel_head_01 contour_beaver contour_camel contour_elephant contour_fox contour_giraffe contour_kangaroo deer_matt_todd_01 elefante01_architetto_fr_01 elephant_01 fawn_mo_01 goat_nicu_buculei_01 raccoon_ganson rhinoceros_architetto_fr_01 seal sheep-md-v0.1 topo_architetto_francesc_01 scorpion-md-v0.1 turtle_jurgen_gaeremyn_01 cammello elefantone mucca pecorella
other food: muffin1 pancakes_ganson pretzel_01 burrito_ganson cheese_01 fries_ganson cherries grapes_simple lemon_simple orange_simple peach_simple pear_simple pineapple strawberry_01 strawberry_simple watermelon_simple sandwich_one_jean-victor_01 spaghetti_ganson corn_cob tramezzino
other vehicle: kiddy_train_orlando_kara_ ambulans_romus_01 big_truck_01 boat_jarno_vasamaa1 bus1_jarno_vasamaa_01 bus_01 old_truck_indana_model__01 small_truck_steffen_gluc_01 rocket trawler_01 ambulanza
other thing: sedia_in_legno_architett_01 television_peterm_ clipboard_01 floppy_frederic_moser_01 glass padlock_aj_ashton_01 newspaper_nicu_buculei_01 paperclip drinking_glass_with_red_punch_01 pop_can teapot_ganson honey calculator envelope_01 magnifying_glass_01 printer1 sunglasses_01 snowman_01 cello_mo_01 harp1_ganson saxophone_jarno_vasamaa_ trumpet_b_flat_colour_ganso violin_colour_ganson tennis_racket_01 keyb1 mouse1
"""

TABLE: dict[str, tuple[str, ...]] = {
    concept: tuple(names.split()) for concept, _, names in (line.partition(":") for line in _TABLE.strip().splitlines())
}
"""The drawings of each concept. Where several folders have one of that name, the first is meant."""


def clipart(folder: Path) -> Iterator[tuple[str, str, Image.Image]]:
    """Every drawing of the table, as concept, name and RGBA picture, from the package in this folder.

    apt-get downloads it unless it is there. SystemExit where it cannot, where dpkg-deb is missing, and where the
    package's SHA-256 is another.
    """
    concepts = {name: concept for concept, names in TABLE.items() for name in names}
    unpack = ["dpkg-deb", "--fsys-tarfile", str(_package(folder))]
    found: dict[str, tuple[str, bytes]] = {}
    with (
        subprocess.Popen(unpack, stdout=subprocess.PIPE) as unpacking,  # noqa: S603
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive,
    ):
        for member in archive:
            name = Path(member.name).stem
            if name in concepts and member.isfile() and (name not in found or member.name < found[name][0]):
                content = archive.extractfile(member)
                if content is not None:
                    found[name] = member.name, content.read()
    for name, concept in concepts.items():
        yield concept, name, Image.open(io.BytesIO(found[name][1])).convert("RGBA")


def _package(folder: Path) -> Path:
    package = folder / f"{PACKAGE}_{VERSION.replace(':', '%3a')}_all.deb"
    if shutil.which("dpkg-deb") is None:
        raise SystemExit("the clip art is unpacked by dpkg-deb, which is not installed: install dpkg")
    if not package.exists():
        folder.mkdir(parents=True, exist_ok=True)
        download = ["apt-get", "download", "-qq", f"{PACKAGE}={VERSION}"]
        if shutil.which("apt-get") is None or subprocess.run(download, cwd=folder, check=False).returncode:  # noqa: S603
            raise SystemExit(
                f"{package}: apt-get cannot download it here; put it there yourself, from Debian's archive"
            )
    if (found := hashlib.sha256(package.read_bytes()).hexdigest()) != SHA256:
        raise SystemExit(f"{package}: SHA-256 is {found}, expected {SHA256}: delete it and run this again")
    return package
