"""Stop word lists: Lucene's English one, and short ones of refimpl's own for when NLTK's are not available."""

# Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET.
LUCENE_ENGLISH = """
    a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to
    was will with
    """

# Articles, pronouns, prepositions, conjunctions and auxiliaries.
OWN = {
    "english": """
    a about after again all am an and any are as at be because been before being below between both but by can did
    do does doing down during each few for from further had has have having he her here hers herself him himself his
    how i if in into is it its itself just me more most my myself no nor not now of off on once only or other our
    ours ourselves out over own s same she should so some such t than that the their theirs them themselves then
    there these they this those through to too under until up very was we were what when where which while who whom
    why will with you your yours yourself yourselves
    """,
    "german": """
    aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass dein dem den der des die dies
    diese dieser dieses doch dort du durch ein eine einem einen einer eines er es euch euer für hat hatte ich ihm
    ihn ihr im in ist ja jede kann kein keine man mein mich mir mit nach nicht noch nun nur ob oder ohne sehr sein
    sich sie sind so über um und uns unter vom von vor war was weil wenn wer werden wie wir wird wo zu zum zur
    """,
    "french": """
    à ai as au aux avec c ce ces cette d dans de des du elle elles en est et eux il ils j je l la le les leur leurs
    lui m ma mais me mes moi mon n ne nos notre nous on ont ou où par pas pour qu que qui s sa se ses si son sont
    sur t ta te tes toi ton tu un une vos votre vous y été être avait
    """,
    "russian": """
    а без бы был была были было быть в вам вас вот все всё вы да для до его ее её если есть еще ещё же за и из или
    им их к как ко когда кто ли мы на над нас не него нее нет ни но о об он она они оно от по под при с со так такой
    там то тоже только тот ты у уже что чтобы эта эти это этот я
    """,
    "spanish": """
    a al algo ante antes como con contra cual cuando de del desde donde durante e el ella ellas ellos en entre era
    es esa ese eso esta este esto está ha hasta hay la las le les lo los me mi mis mucho muy más ni no nos nosotros
    o os otro para pero por porque que quien qué se sea ser si sin sobre son su sus también te tiene todo tu tus un
    una uno y ya yo él
    """,
    "italian": """
    a ad agli ai al alla alle anche c che chi ci come con contro cui da dagli dal dalla de degli dei del della delle
    di dove e ed era gli ha hanno ho i il in io l la le lei li lo loro lui ma mi mia mio ne nei nel nella noi non
    nostro o per perché più quale quando quella quello questa questo se sei si sia siamo sono sta su sua sue sugli
    sul sulla suo ti tra tu tua tuo tutti tutto un una uno vi voi è
    """,
    "portuguese": """
    a ao aos aquela aquele as até com como da das de dela dele do dos e ela elas ele eles em entre era essa esse
    esta este eu foi for há isso isto já lhe mais mas me mesmo meu minha muito na nas nem no nos nossa nosso não nós
    num numa o os ou para pela pelo por qual quando que quem se sem ser seu sua são só também te tem teu tu tua um
    uma você à às é
    """,
    "chinese": """
    一 一个 一些 上 下 不 不是 与 且 个 中 为 为了 也 了 于 些 人 什么 从 他 他们 以 以及 会 但 但是 你 你们 使 来
    其 再 几 到 却 又 及 可 可以 各 同 后 向 吗 呢 和 哪 因 因为 在 多 她 好 如 如果 它 它们 对 将 就 已 已经 并
    并且 很 得 您 我 我们 或 或者 所 所以 把 时 是 更 最 有 没 没有 然后 由 由于 的 着 而 而且 能 自己 被 要 让 该
    说 谁 跟 过 还 还是 这 这个 这些 那 那个 那些 都 里 非 需要
    """,
}
