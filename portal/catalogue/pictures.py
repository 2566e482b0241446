"""Which of the twelve drawings in static/kinds.svg stands for a service: told by the words of its title."""

from collections.abc import Collection

# In this order: what is special before what is general. The first whose word is in the title.
WORDS = (
    ("party", "党课 党员 党日 党史 党建 党代表 入党 红色 组织生活 政治生日 支部 初心 东纵 纵队 双拥"),
    ("festival", "春节 元宵 端午 中秋 重阳 冬至 腊八 国庆 汤圆 粽 月饼 灯谜 节日 游园 年货 春联 佳节"),
    ("ocean", "海洋 净滩 珊瑚 海滩 沙滩 渔 潜水 帆船 浮潜"),
    ("law", "普法 法律 法治 宪法 纠纷 调解 反诈 诈骗 电诈 扫黑 平安 维权 律师 禁毒 民法"),
    ("elder", "老人 老年 长者 高龄 银龄 银发 养老 助餐 敬老 独居 孤寡"),
    ("green", "环保 垃圾 植树 绿植 园艺 种植 种菜 红树林 银叶树 观鸟 果园 田园 清洁 清沟 自然 旧物 低碳 花草 公园"),
    ("reading", "阅读 绘本 读书 图书 书香 书吧 夜读 共读 故事 朗诵 诗"),
    (
        "craft",
        "剪纸 手工 书法 绘画 国画 编织 陶 插花 烘焙 非遗 茶艺 粤剧 戏 歌 音乐 乐器 摄影 舞 电影 香囊 "
        "茶果 米饼 拉花 手串 写生 文艺 排练 弹唱",
    ),
    ("science", "科普 科学 编程 实验 机器人 无人机 天文 手机 智能 电脑 人工智能 参观 消防 博物馆 地质"),
    ("children", "儿童 亲子 四点半 小学 少年 幼儿 宝宝 托管 护学 夏令营 冬令营 家长"),
    (
        "health",
        "义诊 血压 健康 体检 急救 中医 八段锦 太极 瑜伽 心理 养生 疫苗 健身 早操 "
        "球 体育 跑 徒步 登山 马拉松 救生 食品安全 牙",
    ),
)
OF_GROUP = {"elder": "elder", "child": "children", "family": "children", "party": "party"}
OTHER = "other"


def of(title: str, groups: Collection[str]) -> str:
    """The id of a drawing. groups: for whom, as in the profile."""
    for name, words in WORDS:
        if any(word in title for word in words.split()):
            return name
    return next((OF_GROUP[group] for group in groups if group in OF_GROUP), OTHER)
