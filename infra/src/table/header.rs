//! What a column means: codes and Chinese names, with the unit where one is given.
//!
//! A column that is not understood is an error that names it; none is guessed or dropped.

use bishui_domain::indicator::Indicator;
use bishui_domain::reading::Source;

use super::{TableError, place, shown};

/// A column beside the indicator columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Section,
    Time,
    Source,
    Indicator,
    Value,
    Status,
    Water,
}

/// An indicator column, or the indicator cell of a long row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) indicator: Indicator,
    /// Whether its numbers are in μg/L and are divided by 1,000.
    pub(super) micrograms: bool,
}

/// What one column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Key(Key),
    Measured(Measured),
}

/// Makes spellings comparable: full-width forms to ASCII, subscripts to digits, lower case, no spaces.
fn plain(name: &str) -> String {
    let folded = name.chars().filter(|c| !c.is_whitespace()).map(|c| match c {
        '\u{FF01}'..='\u{FF5E}' => u32::from(c).checked_sub(0xFEE0).and_then(char::from_u32).unwrap_or(c),
        '₀'..='₉' => u32::from(c).checked_sub(0x2050).and_then(char::from_u32).unwrap_or(c),
        '【' | '〔' => '[',
        '】' | '〕' => ']',
        'µ' => 'μ',
        '⁺' => '+',
        '⁻' => '-',
        other => other,
    });
    folded.flat_map(char::to_lowercase).collect()
}

/// What a column with this name means.
///
/// The error says what is wrong with the name.
pub(super) fn column(name: &str) -> Result<Column, String> {
    match key(&plain(name)) {
        Some(key) => Ok(Column::Key(key)),
        None => measured(name).map(Column::Measured),
    }
}

fn key(plain: &str) -> Option<Key> {
    Some(match plain {
        "section" | "断面" | "断面名称" | "断面编码" | "断面编号" | "考核断面" | "点位" | "点位名称" => {
            Key::Section
        }
        "time" | "时间" | "监测时间" | "采样时间" | "日期" | "监测日期" | "采样日期" => Key::Time,
        "source" | "来源" | "数据来源" => Key::Source,
        "indicator" | "指标" | "监测指标" | "监测项目" | "项目" => Key::Indicator,
        "value" | "数值" | "监测值" | "值" => Key::Value,
        "status" | "状态" | "数据状态" => Key::Status,
        "water" | "水体" | "水体类型" => Key::Water,
        _ => return None,
    })
}

/// The indicator with this code, name or symbol, and the unit that stands behind it in brackets.
///
/// The error says what is wrong with the name.
pub(super) fn measured(name: &str) -> Result<Measured, String> {
    let plain = plain(name);
    // 铬(六价) and Cr(VI) are names with brackets; only what is no name as a whole has a unit.
    if let Some(indicator) = indicator(&plain) {
        return Ok(Measured { indicator, micrograms: false });
    }
    let unknown = || "it is neither a fixed column nor an indicator code or name; rename or remove it".to_owned();
    let bracket = plain.rfind(['(', '[']).ok_or_else(unknown)?;
    let (name, remark) = plain.split_at(bracket);
    let remark = remark.strip_suffix([')', ']']).ok_or_else(unknown)?;
    let indicator = indicator(name).ok_or_else(unknown)?;
    let mut micrograms = false;
    for part in remark[1..].split([',', '、', ';']).filter(|part| !is_form(part)) {
        micrograms |= unit_is_micrograms(indicator, part)?;
    }
    Ok(Measured { indicator, micrograms })
}

/// `以P计`, `以F-计`, `湖、库`: remarks of the standard's own table that are no units.
fn is_form(part: &str) -> bool {
    matches!(part, "以p计" | "以n计" | "以f-计" | "以f计" | "湖" | "库" | "湖库")
}

/// Whether `unit` is the thousandth of the indicator's own one.
pub(super) fn unit_is_micrograms(indicator: Indicator, unit: &str) -> Result<bool, String> {
    let unit = plain(unit);
    let own = indicator.unit();
    let (same, thousandth) = match own {
        "mg/l" | "mg/L" => (
            matches!(unit.as_str(), "mg/l" | "mg·l-1" | "毫克/升"),
            matches!(unit.as_str(), "μg/l" | "ug/l" | "微克/升"),
        ),
        "℃" => (matches!(unit.as_str(), "℃" | "°c" | "摄氏度"), false),
        "" => (matches!(unit.as_str(), "无量纲" | "-" | ""), false),
        _ => (matches!(unit.as_str(), "个/l" | "mpn/l" | "cfu/l" | "/l"), false),
    };
    if same || thousandth {
        return Ok(thousandth);
    }
    let expected = if own.is_empty() { "no unit" } else { own };
    Err(format!("the unit `{}` is not read for {indicator}; it takes {expected}, mg/L also as μg/L", shown(&unit)))
}

fn indicator(plain: &str) -> Option<Indicator> {
    if let Ok(indicator) = plain.parse() {
        return Some(indicator);
    }
    Some(match plain {
        "ph值" => Indicator::Ph,
        "溶解氧" => Indicator::Do,
        "高锰酸盐指数" | "imn" => Indicator::Codmn,
        "化学需氧量" | "codcr" => Indicator::Cod,
        "五日生化需氧量" | "生化需氧量" | "bod" => Indicator::Bod5,
        "氨氮" | "nh3-n" | "nh4-n" => Indicator::Nh3n,
        "总磷" => Indicator::Tp,
        "铜" => Indicator::Cu,
        "锌" => Indicator::Zn,
        "氟化物" | "f-" => Indicator::F,
        "硒" => Indicator::Se,
        "砷" => Indicator::As,
        "汞" => Indicator::Hg,
        "镉" => Indicator::Cd,
        "六价铬" | "铬(六价)" | "cr6+" | "cr(vi)" => Indicator::Cr6,
        "铅" => Indicator::Pb,
        "氰化物" | "cn-" => Indicator::Cn,
        "挥发酚" | "挥发性酚" => Indicator::Phenol,
        "石油类" => Indicator::Oil,
        "阴离子表面活性剂" => Indicator::Las,
        "硫化物" => Indicator::Sulfide,
        "水温" => Indicator::WaterTemp,
        "总氮" => Indicator::Tn,
        "粪大肠菌群" | "粪大肠菌群数" => Indicator::Coliform,
        _ => return None,
    })
}

/// The source a cell names, by its code or in Chinese.
pub(super) fn source(text: &str) -> Option<Source> {
    Some(match plain(text).as_str() {
        "automatic" | "自动" | "自动监测" => Source::Automatic,
        "national" | "国家" | "国家监测" | "国控" => Source::National,
        "provincial" | "省" | "省级" | "省监测" | "省控" => Source::Provincial,
        "municipal" | "市" | "市级" | "市监测" | "市控" => Source::Municipal,
        _ => return None,
    })
}

/// The columns of a header with what each means, none twice.
pub(super) fn columns(names: &[String]) -> Result<Vec<Column>, TableError> {
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let meaning = column(name).map_err(|reason| TableError::UnknownColumn {
            column: place(at),
            name: shown(name),
            reason: if name.is_empty() { "it has no name; name it or remove it".to_owned() } else { reason },
        })?;
        if let Some(first) = columns.iter().position(|earlier| same(*earlier, meaning)) {
            return Err(TableError::DuplicateColumn { column: place(at), name: shown(name), first: place(first) });
        }
        columns.push(meaning);
    }
    Ok(columns)
}

fn same(left: Column, right: Column) -> bool {
    match (left, right) {
        (Column::Key(left), Column::Key(right)) => left == right,
        (Column::Measured(left), Column::Measured(right)) => left.indicator == right.indicator,
        (Column::Key(_), Column::Measured(_)) | (Column::Measured(_), Column::Key(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    fn read(name: &str) -> (Indicator, bool) {
        let Measured { indicator, micrograms } = measured(name).expect(name);
        (indicator, micrograms)
    }

    #[test]
    fn every_indicator_reads_by_code_and_by_its_chinese_name_with_unit() {
        for indicator in Indicator::iter() {
            assert_eq!(read(&indicator.to_string()), (indicator, false));
            assert_eq!(read(indicator.chinese()), (indicator, false));
            let unit = if indicator.unit().is_empty() { "无量纲" } else { indicator.unit() };
            assert_eq!(read(&format!("{}（{unit}）", indicator.chinese())), (indicator, false));
        }
    }

    #[test]
    fn common_spellings_read() {
        for (name, expected) in [
            ("NH3-N", (Indicator::Nh3n, false)),
            ("NH₃-N (mg/L)", (Indicator::Nh3n, false)),
            ("CODMn", (Indicator::Codmn, false)),
            ("CODcr", (Indicator::Cod, false)),
            ("氨氮(mg/L)", (Indicator::Nh3n, false)),
            ("汞(μg/L)", (Indicator::Hg, true)),
            ("汞（µg／L）", (Indicator::Hg, true)),
            ("hg[ug/L]", (Indicator::Hg, true)),
            ("铬（六价）(mg/L)", (Indicator::Cr6, false)),
            ("铬(六价)", (Indicator::Cr6, false)),
            ("总磷（以P计，mg/L）", (Indicator::Tp, false)),
            ("氟化物（以F-计）", (Indicator::F, false)),
            ("ｐＨ值", (Indicator::Ph, false)),
        ] {
            assert_eq!(read(name), expected, "{name}");
        }
    }

    #[test]
    fn unknown_names_and_units_are_refused() {
        for name in
            ["", "河流", "pH(mg/L)", "氨氮(g/L)", "氨氮(mg/L", "氨氮mg/L)", "粪大肠菌群(μg/L)", "(mg/L)", "水温(μg/L)"]
        {
            assert!(measured(name).is_err(), "{name:?} was accepted");
        }
        assert!(measured("氨氮(g/L)").expect_err("refused").contains("`g/l`"));
    }
}
